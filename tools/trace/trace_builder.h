// Makes traces by hand, for tests: bytes in Go's format.
#ifndef MPG_TOOLS_TRACE_TRACE_BUILDER_H_
#define MPG_TOOLS_TRACE_TRACE_BUILDER_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/trace/format.h"

namespace mpg {
namespace tracetool {

inline std::string Varint(uint64_t value) {
  std::string result;
  for (; value >= 0x80; value >>= 7) {
    result += static_cast<char>(value | 0x80);
  }
  result += static_cast<char>(value);
  return result;
}

// An event: its type, the time since the one before it, arguments.
inline std::string Ev(uint8_t type, std::initializer_list<uint64_t> args) {
  std::string result(1, static_cast<char>(type));
  for (const uint64_t arg : args) result += Varint(arg);
  return result;
}

class TraceBuilder {
 public:
  explicit TraceBuilder(int version = 23)
      : bytes_(absl::StrCat("go 1.", version, " trace")) {
    bytes_.append(3, '\0');
  }
  TraceBuilder& Batch(uint64_t generation, int64_t m, uint64_t time,
                      absl::string_view data) {
    absl::StrAppend(&bytes_,
                    Ev(kEvEventBatch, {generation, static_cast<uint64_t>(m),
                                       time, data.size()}),
                    data);
    return *this;
  }
  // One unit of the clock is one nanosecond.
  TraceBuilder& Clock(uint64_t generation) {
    return Batch(generation, -1, 0, Ev(kEvFrequency, {1000000000}));
  }
  // Strings 1, 2, ...
  TraceBuilder& Strings(uint64_t generation, std::vector<std::string> strings) {
    std::string data(1, static_cast<char>(kEvStrings));
    uint64_t id = 0;
    for (const std::string& s : strings) {
      absl::StrAppend(&data, Ev(kEvString, {++id, s.size()}), s);
    }
    return Batch(generation, -1, 0, data);
  }
  // Stacks 1, 2, ... of one frame each, in functions that are strings.
  TraceBuilder& Stacks(uint64_t generation, std::vector<uint64_t> functions) {
    std::string data(1, static_cast<char>(kEvStacks));
    uint64_t id = 0;
    for (const uint64_t f : functions) {
      ++id;
      data += Ev(kEvStack, {id, 1, 0x1000 + f, f, 0, id * 10});
    }
    return Batch(generation, -1, 0, data);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_TRACE_BUILDER_H_
