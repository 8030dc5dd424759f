// Writes profile.proto (google/pprof): stacks with values, as one message. Internal.
//
// By hand rather than by the protobuf library: the message is flat, and the library
// would be the largest dependency of all.
#ifndef MPG_RUNTIME_PROFILE_PROTO_H_
#define MPG_RUNTIME_PROFILE_PROTO_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mpg {
namespace internal {

// Thread safety: none.
class ProfileBuilder {
 public:
  // A value's type and unit, one for each value of a sample, and the period's.
  using ValueType = std::pair<std::string, std::string>;

  ProfileBuilder(const std::vector<ValueType>& types, const ValueType& period);

  // Stack: return addresses, innermost first. Frames of the scheduler itself are left
  // out, unless there are no others.
  void AddSample(const std::vector<void*>& stack,
                 const std::vector<int64_t>& values,
                 const std::map<std::string, std::string>& labels);

  // The message, of `time_ns` after 1970.
  std::string Finish(int64_t time_ns);

 private:
  uint64_t StringId(absl::string_view s);
  uint64_t LocationId(const void* pc);
  uint64_t FunctionId(const std::string& name);
  // 0: in no mapping.
  uint64_t MappingId(uintptr_t address) const;
  std::string TypeMessage(const ValueType& type);
  void ReadMappings();

  struct MappingRange {
    uintptr_t start;
    uintptr_t limit;
  };

  std::string out_;
  std::vector<MappingRange> mappings_;  // their ids are their places plus 1
  std::map<std::string, uint64_t> strings_;
  std::vector<std::string> string_table_;
  std::map<uintptr_t, uint64_t> locations_;  // 0: one of the scheduler's own
  std::map<std::string, uint64_t> functions_;
  std::map<const void*, std::string> names_;
};

// gzip. Internal: no memory.
absl::StatusOr<std::string> Gzip(absl::string_view data);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_PROFILE_PROTO_H_
