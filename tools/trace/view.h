// View: what the page of `trace serve` asks of a timeline, as JSON. Each answer is
// bounded in size, whatever the trace and the zoom.
//
// A stretch is named by its position in Timeline::slices(), times are in ns.
//
// Thread safety: any number of readers. Nothing blocks.
#ifndef MPG_TOOLS_TRACE_VIEW_H_
#define MPG_TOOLS_TRACE_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/trace/lane.h"
#include "tools/trace/timeline.h"

namespace mpg {
namespace tracetool {

struct WindowQuery {
  int64_t from = 0, to = 0;
  int64_t width = 0;                 // columns, of whole nanoseconds
  int64_t first_p = 0, last_p = -1;  // of the lanes that are seen
};

class View {
 public:
  // The timeline, which is loaded, must outlive the view.
  explicit View(const Timeline& timeline);

  // Of the whole trace: durations, numbers, the start functions that ran longest.
  std::string Overview() const;

  // What is to be drawn: cells of the lanes, and how many goroutines were in each
  // state, at most, in each column. Values out of range are brought into it.
  //   {"from":, "to":, "column": ns, "first": P,
  //    "lanes": [[cell, ...], ...], "stopped": [cell, ...], "collections": ...,
  //    "counts": [[time, running, runnable, waiting, syscall], ...],
  //    "names": {"number": "function", ...}}
  // A cell: [start, length, stretch, goroutine, name, 1 if in a system call] and,
  // where it stands for several, of which the stretch is the longest, [..., how many,
  // time of all together]. Of "stopped" and "collections": [start, length, name].
  std::string Window(const WindowQuery& query) const;

  // All about a stretch and its goroutine. Empty: there is none with that number.
  std::string Stretch(int64_t slice) const;

  // The stretch on a P at a time, or else the first after it, or else the last; kNone:
  // there is none on that P, or no such P.
  uint32_t At(int64_t p, int64_t time) const;

  // The next stretch, or the one before, of a goroutine with that number ("12",
  // "G12"), or with that in its start function's name in any case; after the last one
  // comes the first. `from` < 0: begin at the beginning, or at the end.
  //   {"stretch": number or null, "goroutines": how many match}
  std::string Search(absl::string_view text, int64_t from, bool forward) const;

 private:
  void AppendLane(size_t p, const WindowQuery& query, int64_t column,
                  std::vector<uint32_t>* names, std::string* out) const;
  void AppendSpans(const std::vector<Span>& spans, const LaneIndex& lane,
                   const WindowQuery& query, int64_t column,
                   std::string* out) const;
  void AppendCounts(const WindowQuery& query, int64_t column,
                    std::string* out) const;
  void AppendGoroutine(uint32_t g, std::string* out) const;
  void AppendStack(uint32_t stack, std::string* out) const;
  void AppendEnd(const Slice& slice, std::string* out) const;
  void AppendWait(const Slice& slice, std::string* out) const;
  std::vector<bool> Matching(absl::string_view text, size_t* count) const;

  const Timeline& t_;
  std::vector<LaneIndex> lanes_;
  std::vector<Span> stops_, collections_;
  LaneIndex stops_lane_, collections_lane_;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_VIEW_H_
