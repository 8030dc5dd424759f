#include "runtime/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/contention.h"
#include "runtime/all_goroutines.h"
#include "runtime/event_profile.h"
#include "runtime/profile_proto.h"

namespace mpg {
namespace pprof {
namespace {

using internal::EventProfile;
using internal::ProfileBuilder;

std::string GoroutineProfile() {
  using Labels = std::map<std::string, std::string>;
  std::map<std::pair<std::vector<void*>, Labels>, int64_t> counts;
  for (internal::ProfiledGoroutine& g : internal::AllGoroutines()) {
    ++counts[{std::move(g.pcs), g.labels.Map()}];
  }
  const ProfileBuilder::ValueType type = {"goroutine", "count"};
  ProfileBuilder builder({type}, type);
  for (const auto& [where, n] : counts) {
    builder.AddSample(where.first, {n}, where.second);
  }
  return builder.Finish(absl::GetCurrentTimeNanos());
}

std::string EventsProfile(EventProfile* events) {
  const ProfileBuilder::ValueType type = {"contentions", "count"};
  ProfileBuilder builder({type, {"delay", "nanoseconds"}}, type);
  for (const EventProfile::Entry& e : events->Entries()) {
    builder.AddSample(e.pcs,
                      {std::llround(e.sum.count), std::llround(e.sum.ns)}, {});
  }
  return builder.Finish(absl::GetCurrentTimeNanos());
}

absl::Status SystemError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

}  // namespace

std::vector<std::string> ProfileNames() {
  return {"block", "goroutine", "mutex"};
}

absl::StatusOr<std::string> Profile(absl::string_view name) {
  if (name == "goroutine") return internal::Gzip(GoroutineProfile());
  if (name == "block") {
    return internal::Gzip(EventsProfile(internal::BlockProfile()));
  }
  if (name == "mutex") {
    return internal::Gzip(EventsProfile(internal::MutexProfile()));
  }
  return absl::NotFoundError(absl::StrCat("no profile is called ", name));
}

absl::Status WriteProfile(absl::string_view name, const std::string& path) {
  const absl::StatusOr<std::string> profile = Profile(name);
  if (!profile.ok()) return profile.status();
  FILE* file = fopen(path.c_str(), "we");
  if (file == nullptr) return SystemError("open", path);
  const bool written =
      fwrite(profile->data(), 1, profile->size(), file) == profile->size();
  const absl::Status error =
      written ? absl::OkStatus() : SystemError("write", path);
  if (fclose(file) == 0 && written) return absl::OkStatus();
  const absl::Status status = written ? SystemError("write", path) : error;
  unlink(path.c_str());
  return status;
}

void SetBlockProfileRate(int64_t rate) {
  // relaxed: see BlockingIsProfiled.
  internal::block_profile_rate.store(rate < 0 ? 0 : rate,
                                     std::memory_order_relaxed);
}

int64_t SetMutexProfileFraction(int64_t rate) {
  // relaxed, both: see ContentionIsReported.
  if (rate < 0) {
    return internal::contention_rate.load(std::memory_order_relaxed);
  }
  internal::SetContentionHook(&internal::NoteContention);
  return internal::contention_rate.exchange(rate, std::memory_order_relaxed);
}

}  // namespace pprof
}  // namespace mpg
