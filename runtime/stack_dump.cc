#include "runtime/stack_dump.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/panic.h"
#include "runtime/backtrace.h"
#include "runtime/dump.h"
#include "runtime/sched.h"

namespace mpg {
namespace {

using internal::GoroutineRecord;

using Group = std::vector<const GoroutineRecord*>;

std::string FormatMinutes(const Group& group) {
  int least = group[0]->minutes, most = least;
  for (const GoroutineRecord* r : group) {
    least = std::min(least, r->minutes);
    most = std::max(most, r->minutes);
  }
  if (most == 0) return "";
  if (least == most) return absl::StrCat(", ", most, " minutes");
  return absl::StrCat(", ", least, " to ", most, " minutes");
}

std::string FormatGroup(const Group& group, bool system) {
  const GoroutineRecord& first = *group[0];
  if (group.size() == 1) return internal::FormatRecord(first, system);
  return absl::StrCat(
      group.size(), " goroutines [", first.state, FormatMinutes(group),
      first.locked ? ", locked to thread" : "", "]:\n",
      internal::FormatFrames(first, system),
      internal::FormatCreatedBy(first.gopc, 0), "goroutines ",
      absl::StrJoin(group, " ",
                    [](std::string* out, const GoroutineRecord* r) {
                      absl::StrAppend(out, r->goid);
                    }),
      "\n");
}

std::vector<Group> GroupIdentical(const std::vector<GoroutineRecord>& records) {
  std::map<std::tuple<std::vector<void*>, std::string, bool, bool, std::string>,
           size_t>
      index;
  // By function: a loop that starts goroutines may have been unrolled.
  std::map<const void*, std::string> makers;
  std::vector<Group> groups;
  for (const GoroutineRecord& r : records) {
    std::string& maker = makers[r.gopc];
    if (maker.empty() && r.gopc != nullptr) {
      maker = internal::FormatPc(r.gopc);
      maker.resize(maker.find('\n'));
    }
    const auto [place, fresh] = index.try_emplace(
        std::make_tuple(r.pcs, r.state, r.locked, r.has_stack, maker),
        groups.size());
    if (fresh) groups.emplace_back();
    groups[place->second].push_back(&r);
  }
  std::stable_sort(
      groups.begin(), groups.end(),
      [](const Group& a, const Group& b) { return a.size() > b.size(); });
  return groups;
}

}  // namespace

std::string DumpGoroutines(const DumpOptions& options) {
  const std::vector<GoroutineRecord> records = internal::RecordAll();
  std::string out;
  const auto append = [&out](const std::string& text) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", text);
  };
  if (options.group_identical) {
    for (const Group& group : GroupIdentical(records)) {
      append(FormatGroup(group, options.system_frames));
    }
  } else {
    for (const GoroutineRecord& record : records) {
      append(internal::FormatRecord(record, options.system_frames));
    }
  }
  return out;
}

std::string Stack(bool all) {
  if (all) return DumpGoroutines();
  GoroutineRecord record;
  if (const internal::G* g = internal::CurrentOrCallingG()) {
    internal::RecordSelf(g, &record);
    return internal::FormatRecord(record, /*system=*/false);
  }
  internal::Backtrace trace;
  internal::TakeBacktrace(&trace);
  return absl::StrCat("thread [running]:\n", internal::FormatBacktrace(trace));
}

void PrintStack() { PrintError(Stack()); }

}  // namespace mpg
