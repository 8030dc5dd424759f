// The files of the page of `trace serve`, built into the program (embed.cc).
#ifndef MPG_TOOLS_TRACE_ASSETS_H_
#define MPG_TOOLS_TRACE_ASSETS_H_

#include "absl/strings/string_view.h"

namespace mpg {
namespace tracetool {

struct Asset {
  absl::string_view name;  // "page.js"
  absl::string_view bytes;
};

// Null: there is none with that name.
const Asset* FindAsset(absl::string_view name);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_ASSETS_H_
