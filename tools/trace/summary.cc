#include "tools/trace/summary.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mpg {
namespace tracetool {
namespace {

void AppendCounts(const Timeline& t, std::string* out) {
  size_t ended = 0;
  for (const Goroutine& g : t.goroutines()) ended += g.ended >= 0 ? 1 : 0;
  size_t stops = 0;
  int64_t stopped = 0;
  for (const Span& span : t.spans()) {
    if (span.kind != Span::Kind::kStoppedWorld) continue;
    ++stops;
    stopped += span.end - span.start;
  }
  absl::StrAppendFormat(
      out,
      "format of Go 1.%d, %s, %d events, %d Ps\n"
      "%d goroutines, %d of them ended; %d stretches of running\n"
      "the world was stopped %d times, %s in all\n",
      t.version(), DurationText(t.duration()), t.events(), t.procs().size(),
      t.goroutines().size(), ended, t.slices().size(), stops,
      DurationText(stopped));
}

void AppendGroups(const Timeline& t, const std::vector<Group>& groups,
                  std::string* out) {
  absl::StrAppendFormat(out, "\n%10s %10s %10s %10s %10s  %s\n", "goroutines",
                        "execution", "sched wait", "blocked", "syscall",
                        "start function");
  for (const Group& group : groups) {
    absl::StrAppendFormat(
        out, "%10d %10s %10s %10s %10s  %s\n", group.goroutines,
        DurationText(group.totals.running), DurationText(group.totals.runnable),
        DurationText(group.totals.waiting), DurationText(group.totals.syscall),
        t.String(group.name));
  }
}

void AppendBlocked(const Timeline& t, const std::vector<Group>& groups,
                   std::string* out) {
  absl::StrAppendFormat(out, "\n%10s %10s  %-24s  %s\n", "blocked", "times",
                        "on", "start function");
  for (const Group& group : groups) {
    std::vector<std::pair<uint32_t, std::pair<uint64_t, int64_t>>> reasons(
        group.blocked.begin(), group.blocked.end());
    std::sort(reasons.begin(), reasons.end(), [](const auto& a, const auto& b) {
      return a.second.second > b.second.second;
    });
    for (const auto& reason : reasons) {
      absl::StrAppendFormat(
          out, "%10s %10d  %-24s  %s\n", DurationText(reason.second.second),
          reason.second.first,
          reason.first == kNone || t.String(reason.first).empty()
              ? "(not said)"
              : t.String(reason.first),
          t.String(group.name));
    }
  }
}

void AppendLatencies(const Histogram& histogram, std::string* out) {
  const uint64_t most = *std::max_element(histogram.begin(), histogram.end());
  if (most == 0) return;
  size_t first = 0, last = histogram.size() - 1;
  while (histogram[first] == 0) ++first;
  while (histogram[last] == 0) --last;
  absl::StrAppend(out, "\nfrom runnable to running\n");
  for (size_t i = first; i <= last; ++i) {
    absl::StrAppendFormat(
        out, "  < %-7s %9d %s\n", DurationText(int64_t{1} << i), histogram[i],
        std::string((histogram[i] * 50 + most - 1) / most, '#'));
  }
}

}  // namespace

std::string Summary(const Timeline& timeline) {
  std::vector<Group> groups = timeline.Groups();
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) {
                     return a.totals.running > b.totals.running;
                   });
  std::string out;
  AppendCounts(timeline, &out);
  AppendGroups(timeline, groups, &out);
  AppendBlocked(timeline, groups, &out);
  AppendLatencies(timeline.latencies(), &out);
  return out;
}

}  // namespace tracetool
}  // namespace mpg
