// Answers requests with the files of a directory.
#ifndef MPG_EXAMPLES_HTTP_STATIC_FILES_H_
#define MPG_EXAMPLES_HTTP_STATIC_FILES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "examples/http/http_server.h"

namespace mpg {
namespace examples {

// GET and HEAD of the regular files below the directory `root`; of a directory,
// its index.html. No target leads out of `root`, neither with ".." nor by a
// symbolic link.
Handler StaticFiles(std::string root);

// The path of a target, "%20" decoded and without what follows '?'. False: it is
// malformed, or goes up with "..".
bool TargetPath(absl::string_view target, std::string* path);

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_HTTP_STATIC_FILES_H_
