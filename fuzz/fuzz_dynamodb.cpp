// Items as a table may hold them, whoever wrote them: messages, headers and bills are read from any JSON, and what was
// read of a message is the same after it has been written and read again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/json.h"
#include "tertulia/storage/dynamodb_header.h"
#include "tertulia/storage/dynamodb_message.h"
#include "tertulia/storage/packed_text.h"

using namespace tertulia;

namespace {

storage::DynamoMessage again(storage::DynamoMessage message) {
    std::vector<storage::DynamoItem> items = storage::encode_message(message, 64);
    std::vector<const storage::DynamoItem*> in_order;
    for (storage::DynamoItem& item : items) {
        item["timestamp"] = storage::dynamo_text(message.message.timestamp);
        in_order.push_back(&item);
    }
    storage::DynamoMessage read = storage::decode_message(in_order, true);
    read.parts = message.parts;
    read.part_base = message.part_base;
    return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    storage::bills_from_json(text);
    if (const auto unpacked = storage::unpack_text(text, 1 << 20); unpacked && unpacked->size() < 1 << 16)
        if (storage::unpack_text(storage::pack_text(*unpacked), 1 << 20) != unpacked) std::abort();
    const auto parsed = base::parse_json(text);
    if (!parsed) return 0;
    std::vector<storage::DynamoItem> items;
    if (const auto* one = parsed->if_object()) items.push_back(*one);
    if (const auto* several = parsed->if_array())
        for (const auto& each : *several)
            if (each.is_object()) items.push_back(each.get_object());
    for (const bool newest_first : {true, false}) {
        storage::MessageAssembler assembler(newest_first, true);
        for (const storage::DynamoItem& item : items) {
            storage::read_header_item(item);
            const auto message = assembler.add(item);
            if (!message) continue;
            // Writing brings it into our own form once; from then on nothing changes.
            const storage::DynamoMessage first = again(*message);
            if (again(first) != first) std::abort();
        }
    }
    return 0;
}
