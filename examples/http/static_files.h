// Answers requests with the files of a directory.
#ifndef MPG_EXAMPLES_HTTP_STATIC_FILES_H_
#define MPG_EXAMPLES_HTTP_STATIC_FILES_H_

#include <string>

#include "examples/http/http_server.h"

namespace mpg {
namespace examples {

// GET and HEAD of the regular files below the directory `root`; of a directory,
// its index.html. No target leads out of `root`, neither with ".." nor by a
// symbolic link.
Handler StaticFiles(std::string root);

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_HTTP_STATIC_FILES_H_
