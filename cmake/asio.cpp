// Asio's own functions, compiled once here instead of in every file (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
