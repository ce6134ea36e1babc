// DynamoDB's operations, as far as the store needs them.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/aws/service_client.h"
#include "tertulia/base/clock.h"
#include "tertulia/storage/dynamodb_item.h"

namespace tertulia::storage {

/// What requests took, as DynamoDB counts it. Value.
struct DynamoUse {
    std::int64_t requests = 0;
    double read_units = 0;
    double write_units = 0;
};

/// A condition, an update: an expression with what it names. Value.
struct DynamoExpression {
    std::string text;
    /// `#name` -> attribute, for reserved words.
    boost::json::object names = {};
    /// `:name` -> value.
    boost::json::object values = {};
};

/// One page of a Query.
struct DynamoPage {
    std::vector<DynamoItem> items;
    /// Where the next one begins; nothing: there is no more.
    std::optional<boost::json::object> next;
    std::int64_t count = 0;
};

struct DynamoQuery {
    std::string table;
    DynamoExpression key = {};
    DynamoExpression filter = {};
    /// Names of attributes, comma-separated; `#name` must be among the key's names. Empty: all.
    std::string projection = {};
    bool newest_first = false;
    bool strong = true;
    bool only_count = false;
    /// Items per page; 0: as many as fit into 1 MB.
    std::int64_t limit = 0;
    std::optional<boost::json::object> from = {};
};

/// All items of a partition of the other table whose sort key begins so (empty: all). Pure.
DynamoQuery query_of(std::string table, std::string_view pk, std::string_view sk_prefix = {});

/// What `DynamoClient::batch` takes. Pure.
boost::json::object put_request(DynamoItem item);
boost::json::object delete_request(DynamoItem key);

/// One per worker.
class DynamoClient {
  public:
    template <class T>
    using Outcome = std::expected<T, aws::ServiceError>;

    /// `service` outlives it.
    explicit DynamoClient(aws::ServiceClient& service) : service_(service) {}

    async::Task<Outcome<DynamoPage>> query(DynamoQuery query, base::Deadline deadline);
    /// Strongly consistent; nothing: there is none.
    async::Task<Outcome<std::optional<DynamoItem>>> get(std::string table, DynamoItem key, base::Deadline deadline);
    /// Gives the item as it was before; empty: there was none. A condition that does not hold is an error
    /// (`condition_failed`), of which `old_item` knows the item that is there.
    async::Task<Outcome<DynamoItem>> put(std::string table, DynamoItem item, std::optional<DynamoExpression> condition,
                                         base::Deadline deadline);
    async::Task<Outcome<DynamoItem>> update(std::string table, DynamoItem key, DynamoExpression update,
                                            std::string condition, base::Deadline deadline, bool give_new = false);
    async::Task<Outcome<DynamoItem>> remove(std::string table, DynamoItem key,
                                            std::optional<DynamoExpression> condition, base::Deadline deadline);
    /// Puts and deletes without conditions, as many as there are.
    async::Task<Outcome<void>> batch(std::string table, std::vector<boost::json::object> requests,
                                     base::Deadline deadline);
    /// Puts `item` where there is none of its key, if `condition` holds of another item.
    async::Task<Outcome<void>> put_if(std::string table, DynamoItem item, std::string item_condition,
                                      std::string other_table, DynamoItem other_key, DynamoExpression condition,
                                      std::string token, base::Deadline deadline);
    /// Any operation.
    async::Task<Outcome<boost::json::object>> call(std::string_view operation, boost::json::object body,
                                                   base::Deadline deadline);

    const DynamoUse& use() const { return use_; }

  private:
    void count(const boost::json::object& answer, bool reads);

    aws::ServiceClient& service_;
    DynamoUse use_;
};

inline bool condition_failed(const aws::ServiceError& error) {
    return error.is("ConditionalCheckFailedException");
}
/// The item that is there instead (ReturnValuesOnConditionCheckFailure); empty: none.
DynamoItem old_item(const aws::ServiceError& error);
/// Of a transaction: did the condition of its action `number` (from 0) fail, and what is there?
std::optional<DynamoItem> transaction_failed_at(const aws::ServiceError& error, std::size_t number);

}  // namespace tertulia::storage
