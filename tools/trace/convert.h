// A trace in the JSON format of Chrome's tracing, which ui.perfetto.dev opens: a track
// for each P, an arrow from who woke a goroutine to where it ran, counters of the
// goroutines in each state, logs and tasks as instants, a track for the time in which
// the world was stopped.
#ifndef MPG_TOOLS_TRACE_CONVERT_H_
#define MPG_TOOLS_TRACE_CONVERT_H_

#include <ostream>

#include "tools/trace/timeline.h"

namespace mpg {
namespace tracetool {

void WriteChromeJson(const Timeline& timeline, std::ostream* out);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_CONVERT_H_
