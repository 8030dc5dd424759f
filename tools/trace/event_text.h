// Events as text, one or more lines each, as `go tool trace -d=parsed` prints them.
#ifndef MPG_TOOLS_TRACE_EVENT_TEXT_H_
#define MPG_TOOLS_TRACE_EVENT_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/trace/event.h"

namespace mpg {
namespace tracetool {

absl::string_view StateName(State state);

// Ends without a newline, unless the event has a stack.
std::string EventText(const Event& event);

// `text` in quotes, with backslashes, as Go's %q does for ASCII and UTF-8.
std::string Quoted(absl::string_view text);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_EVENT_TEXT_H_
