// Goroutine dumps in Go's format.
#ifndef MPG_RUNTIME_DUMP_H_
#define MPG_RUNTIME_DUMP_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/g.h"

namespace mpg {
namespace internal {

// "goroutine 7 [chan receive, locked to thread]:\n". An empty state: g's own.
std::string FormatHeader(const G* g, absl::string_view state);

// "created by f(...) in goroutine 1\n\tbinary+0x12\n", or nothing.
std::string FormatCreatedBy(const G* g);
std::string FormatCreatedBy(const void* gopc, int64_t parent_goid);

// Stops all Scheds as well as it can and prints every goroutine to stderr. For
// FatalError: the process is about to end, and nothing is set going again.
void DumpOnFatalError();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_DUMP_H_
