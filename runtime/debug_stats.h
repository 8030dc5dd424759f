// The figures that the debug socket shows. Internal.
#ifndef MPG_RUNTIME_DEBUG_STATS_H_
#define MPG_RUNTIME_DEBUG_STATS_H_

#include <string>

namespace mpg {
namespace internal {

// As debug_server.h describes it, with a newline at the end. Any thread without
// locks.
std::string DebugStatsJson();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_DEBUG_STATS_H_
