// One generation of a trace: the strings, stacks and CPU samples that its events
// refer to, and the events themselves, still in batches of one thread each. A
// generation stands alone: numbers of strings and stacks mean nothing in the next.
//
// Thread safety: none. BatchReader::Next blocks as its stream does.
#ifndef MPG_TOOLS_TRACE_GENERATION_H_
#define MPG_TOOLS_TRACE_GENERATION_H_

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/trace/format.h"

namespace mpg {
namespace tracetool {

struct Frame {
  uint64_t pc = 0;
  uint64_t function = 0;  // a string
  uint64_t file = 0;      // a string
  uint64_t line = 0;
};

struct Batch {
  uint64_t generation = 0;
  int64_t m = -1;
  uint64_t time = 0;  // in the clock's units
  bool experimental = false;
  std::string data;
};

struct CpuSample {
  int64_t time = 0;  // ns, once the generation is whole
  int64_t m = -1, p = -1, g = -1;
  uint64_t stack = 0;
};

// What numbers in events stand for. Number 0 is the empty string and the empty
// stack.
class Tables {
 public:
  bool HasString(uint64_t id) const { return id == 0 || strings_.contains(id); }
  bool HasStack(uint64_t id) const { return id == 0 || stacks_.contains(id); }
  // Empty if there is no such string or stack. The first frame is the innermost.
  absl::string_view String(uint64_t id) const;
  std::vector<Frame> Stack(uint64_t id) const;

 private:
  friend class Generation;
  absl::flat_hash_map<uint64_t, std::string> strings_;
  absl::flat_hash_map<uint64_t, std::vector<uint64_t>> stacks_;  // of PCs
  absl::flat_hash_map<uint64_t, Frame> frames_;                  // by PC
};

class Generation {
 public:
  explicit Generation(uint64_t number) : number_(number) {}

  absl::Status Add(Batch batch);
  // To be called when all batches are there: checks what refers to what.
  absl::Status Finish();

  uint64_t number() const { return number_; }
  // Nanoseconds for a difference of times in the clock's units.
  int64_t Nanoseconds(uint64_t units) const;
  const Tables& tables() const { return tables_; }
  const std::vector<CpuSample>& cpu_samples() const { return samples_; }
  // The batches of each thread, in the order of the file.
  struct Thread {
    int64_t m;
    std::vector<Batch> batches;
  };
  const std::vector<Thread>& threads() const { return threads_; }

 private:
  absl::Status AddStrings(const Batch& batch);
  absl::Status AddStacks(const Batch& batch);
  absl::Status AddStack(class ByteReader* r);
  absl::Status AddCpuSamples(const Batch& batch);
  absl::Status AddFrequency(const Batch& batch);

  const uint64_t number_;
  double ns_per_unit_ = 0;  // 0: not yet known
  Tables tables_;
  std::vector<CpuSample> samples_;
  std::vector<Thread> threads_;
  absl::flat_hash_map<int64_t, size_t> thread_index_;
};

// Reads varints and bytes out of memory.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view data) : data_(data) {}
  bool empty() const { return data_.empty(); }
  size_t left() const { return data_.size(); }
  // False: the data ends before the value does, or it has more than 64 bits.
  bool Byte(uint8_t* value);
  bool Varint(uint64_t* value);
  bool Bytes(uint64_t size, absl::string_view* value);

 private:
  absl::string_view data_;
};

// The batches of a stream that stands behind the header.
class BatchReader {
 public:
  explicit BatchReader(std::istream* in) : in_(in) {}
  // The next one; nullopt at the end of the stream.
  absl::StatusOr<std::optional<Batch>> Next();
  uint64_t bytes_read() const { return offset_; }

 private:
  bool Byte(uint8_t* value);
  absl::Status Varint(const char* what, uint64_t* value);

  std::istream* const in_;
  uint64_t offset_ = kHeaderSize;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_GENERATION_H_
