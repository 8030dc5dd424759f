// The summary of a trace as text: a table of groups of goroutines (those with the same
// start function), what they were blocked on, and how long runnable goroutines waited.
#ifndef MPG_TOOLS_TRACE_SUMMARY_H_
#define MPG_TOOLS_TRACE_SUMMARY_H_

#include <string>

#include "tools/trace/timeline.h"

namespace mpg {
namespace tracetool {

std::string Summary(const Timeline& timeline);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_SUMMARY_H_
