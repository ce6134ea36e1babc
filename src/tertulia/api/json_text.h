// JSON values as text of our own form.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

namespace tertulia::api {

/// Appends a value with its members in their order (Boost.JSON's own writer would write 0.1 as 1E-1). False: it holds a
/// number beyond a double.
bool append_json_value(std::string& out, const boost::json::value& value);

/// Appends valid JSON without the white space between its tokens: a line end would end the line of an event stream.
void append_compact_json(std::string& out, std::string_view json);

}  // namespace tertulia::api
