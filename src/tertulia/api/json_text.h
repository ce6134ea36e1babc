// JSON values as text of our own form.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace tertulia::api {

/// Appends a value with its members in their order (Boost.JSON's own writer would write 0.1 as 1E-1). False: it holds a
/// number beyond a double.
bool append_json_value(std::string& out, const boost::json::value& value);

}  // namespace tertulia::api
