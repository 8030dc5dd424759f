// What writing JSON needs of text: quotes and escapes.
#ifndef MPG_TOOLS_TRACE_JSON_H_
#define MPG_TOOLS_TRACE_JSON_H_

#include <string>

#include "absl/strings/string_view.h"

namespace mpg {
namespace tracetool {

// `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_JSON_H_
