// TraceReader: the events of an execution trace in Go's format of Go 1.22 and 1.23,
// in an order that can have happened, as `go tool trace -d=parsed` has them.
//
//   std::ifstream in(path, std::ios::binary);
//   TraceReader reader(&in);
//   Event event;
//   for (;;) {
//     absl::StatusOr<bool> more = reader.Next(&event);
//     if (!more.ok()) ...   // what came before stands
//     if (!*more) break;    // the end
//   }
//
// Holds one generation in memory at a time, of which Go writes one a second.
//
// Thread safety: none. Next blocks as the stream does. A damaged file is an error
// (kDataLoss, with what is wrong in words), never a crash; so is another kind of
// file (kInvalidArgument).
#ifndef MPG_TOOLS_TRACE_READER_H_
#define MPG_TOOLS_TRACE_READER_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/trace/event.h"
#include "tools/trace/generation.h"
#include "tools/trace/order.h"

namespace mpg {
namespace tracetool {

class TraceReader {
 public:
  // The stream must outlive the reader. Nothing is read yet.
  explicit TraceReader(std::istream* in) : batches_(in), in_(in) {}
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;

  // False: there is no further event. At the end of each generation comes an event
  // kEvSync.
  absl::StatusOr<bool> Next(Event* event);

  // The format's minor version: 22 or 23; 0 before the first Next.
  int version() const { return version_; }
  // How much of the file has been read and, as events, handed out.
  uint64_t bytes_done() const { return batches_.bytes_read() - bytes_left_; }

 private:
  // One thread's events of this generation, and the next of them.
  struct Cursor {
    const Generation::Thread* thread;
    size_t batch = 0;
    size_t offset = 0;
    int64_t time = 0;  // of the event before
    Event event;
  };

  absl::Status ReadHeader();
  absl::Status ReadGeneration();
  absl::Status StartGeneration();
  // False: the thread has no further events.
  absl::StatusOr<bool> Fetch(Cursor* cursor);
  absl::Status Decode(Cursor* cursor);
  absl::Status CheckTables(const Event& event) const;
  absl::StatusOr<bool> NextOrdered(Event* event);
  absl::Status AdvanceOne();
  absl::StatusOr<bool> TryAdvance(size_t index);
  void TakeSample(Event* event);

  BatchReader batches_;
  std::istream* const in_;
  int version_ = 0;
  std::unique_ptr<Generation> generation_;
  // The first batch of the next generation; an error found where it should be.
  std::optional<Batch> spilled_;
  absl::Status spilled_error_;
  std::vector<std::unique_ptr<Cursor>> frontier_;  // sorted, the earliest last
  size_t next_sample_ = 0;
  uint64_t bytes_left_ = 0;  // of this generation's events, not handed out yet
  bool synced_ = true;
  Order order_;
  int64_t last_time_ = 0;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_READER_H_
