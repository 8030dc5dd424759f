// What a trace file holds besides events: batch headers and the tables.
//
// Thread safety: an object by one thread at a time.
#ifndef MPG_TRACE_TRACE_ENCODE_H_
#define MPG_TRACE_TRACE_ENCODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "trace/trace_buffer.h"
#include "trace/trace_tables.h"

namespace mpg {

// What is at a return address (or at a function's own address: TraceStream::
// StackOf).
struct TraceFrame {
  std::string function;
  std::string file;
  uint64_t line = 0;
  bool hidden = false;  // not to be shown
};
using TraceSymbolizer = TraceFrame (*)(uintptr_t pc);

// The batch of a buffer whose first `size` bytes are good.
void AppendBatch(const TraceBuffer& b, size_t size, std::string* out);

class TraceTableEncoder {
 public:
  explicit TraceTableEncoder(TraceSymbolizer symbolize)
      : symbolize_(symbolize) {}

  // Everything of a generation but its events. `frequency`: TraceTime's units in
  // a second. Nobody adds to the tables any more.
  void Append(TraceTables* tables, uint64_t time, uint64_t frequency,
              std::string* out);

 private:
  const TraceFrame& FrameOf(uintptr_t pc);

  const TraceSymbolizer symbolize_;
  // What was looked up, for the generations that follow.
  std::unordered_map<uintptr_t, TraceFrame> frames_;
};

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_ENCODE_H_
