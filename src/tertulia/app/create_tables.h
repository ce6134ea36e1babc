// `tertulia create-tables`.
#pragma once

#include <ostream>

#include "tertulia/base/environment.h"

namespace tertulia::app {

/// Makes the tables of the DynamoDB store that are missing, where the environment says; gives the process's exit
/// status.
int create_tables(const base::Environment& environment, std::ostream& out, std::ostream& errors);

}  // namespace tertulia::app
