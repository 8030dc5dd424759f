// What a request asks for: the path and the parameters of its target.
//
// Thread safety: any goroutine.
#ifndef MPG_EXAMPLES_HTTP_TARGET_H_
#define MPG_EXAMPLES_HTTP_TARGET_H_

#include <string>

#include "absl/strings/string_view.h"

namespace mpg {
namespace examples {

// The path of a target, "%20" decoded and without what follows '?'. False: it is
// malformed, or goes up with "..".
bool TargetPath(absl::string_view target, std::string* path);

// The value of the target's first parameter with that name, "%20" decoded:
// "/?a=1&b=x%20y". False: there is none, or it is malformed.
bool TargetParameter(absl::string_view target, absl::string_view name,
                     std::string* value);

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_HTTP_TARGET_H_
