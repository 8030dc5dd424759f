#include "trace/trace_collector.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/wait_reason.h"
#include "trace/event.h"

namespace mpg {
namespace {

// Below this the measured frequency is poor.
constexpr int64_t kMinMeasureNs = 1'000'000;
constexpr int64_t kMinPeriodNs = 50'000'000;
// A switch of generations takes at most this part of the time: with a million
// goroutines it is half a second of standstill.
constexpr int64_t kSwitchShare = 20;
constexpr int64_t kMaxPeriodNs = 10'000'000'000;

// So many full buffers wake the collector. To wake it costs the producer 5 to 10 us, the
// time of some 500 events; a buffer holds 8000.
constexpr int kWakeAt = 16;

constexpr char kEventsAreMissing[] = "no memory: events are missing";

absl::Status ErrorOf(const char* what, const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat(what, " ", path));
}

}  // namespace

const ParkSite TraceCollector::kSite = {WaitReason::kTraceReaderBlocked,
                                        nullptr, &AbandonCommand};

TraceCollector::TraceCollector(TraceProducer* producer, Options options)
    : producer_(producer),
      options_(std::move(options)),
      encoder_(options_.symbolize) {}

TraceCollector::~TraceCollector() {
  for (;;) {  // until the thread has seen that there is nothing to do
    {
      RuntimeLockGuard guard(commands_mu_);
      if (!thread_) break;
    }
    wake_.WakeupIfClear();
    usleep(100);
  }
  Drain();
}

void TraceCollector::PutFull(TraceBuffer* b) {
  bool enough;
  {
    RuntimeLockGuard guard(mu_);
    enough = ++full_size_ == kWakeAt;
    b->next = nullptr;
    *full_last_ = b;
    full_last_ = &b->next;
  }
  if (enough) wake_.WakeupIfClear();
}

// --- Commands: run on the collector's thread while the caller is parked.

absl::Status TraceCollector::Do(absl::AnyInvocable<absl::Status()> fn)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {  // Park unlocks
  Command command{std::move(fn), CurrentWaiter(), nullptr, this, {}};
  commands_mu_.Lock();
  *commands_last_ = &command;
  commands_last_ = &command.next;
  const bool start = !thread_;
  thread_ = true;
  if (!start) {
    wake_.WakeupIfClear();
  } else if (absl::Status started = StartThread(); !started.ok()) {
    commands_ = nullptr;
    commands_last_ = &commands_;
    thread_ = false;
    commands_mu_.Unlock();
    return started;
  }
  Park(command.waiter, &kSite, &commands_mu_, &command);
  return std::move(command.status);
}

// With all signals blocked: they are for the program's threads.
absl::Status TraceCollector::StartThread() {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int error = 0;
  try {
    std::thread([this] { Loop(); }).detach();
  } catch (const std::system_error& e) {
    error = e.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return error == 0 ? absl::OkStatus()
                    : absl::ErrnoToStatus(error, "no thread for the trace");
}

bool TraceCollector::AbandonCommand(Waiter*, void* arg) {
  auto* command = static_cast<Command*>(arg);
  TraceCollector* self = command->collector;
  RuntimeLockGuard guard(self->commands_mu_);
  for (Command** link = &self->commands_; *link != nullptr;
       link = &(*link)->next) {
    if (*link != command) continue;
    *link = command->next;
    if (self->commands_last_ == &command->next) self->commands_last_ = link;
    return true;
  }
  return false;
}

TraceCollector::Command* TraceCollector::NextCommand() {
  RuntimeLockGuard guard(commands_mu_);
  Command* command = commands_;
  if (command != nullptr) {
    commands_ = command->next;
    if (commands_ == nullptr) commands_last_ = &commands_;
  }
  return command;
}

void TraceCollector::Loop() {
  for (;;) {
    while (Command* command = NextCommand()) {
      command->status = command->run();
      Ready(command->waiter);
    }
    {
      RuntimeLockGuard guard(work_mu_);
      Drain();
    }
    const int64_t now = NanoTime();
    if (Producing() && now >= generation_end_) {
      if (producer_->CanSwitch()) {
        Advance(true, [] {});
      } else {
        generation_end_ = now + kMinPeriodNs;
      }
    }
    {
      RuntimeLockGuard guard(commands_mu_);
      if (commands_ != nullptr) continue;
      if (!Producing()) {
        pool_.Trim();
        thread_ = false;
        return;
      }
      asleep_ = true;
    }
    wake_.SleepFor(std::max<int64_t>(generation_end_ - NanoTime(), 0));
    wake_.Clear();
    RuntimeLockGuard guard(commands_mu_);
    asleep_ = false;
  }
}

int TraceCollector::IdleThreads() const {
  RuntimeLockGuard guard(commands_mu_);
  return thread_ && asleep_ && commands_ == nullptr ? 1 : 0;
}

absl::Status TraceCollector::StartFile(const std::string& path) {
  return Do([this, path]() -> absl::Status {
    if (file_ != nullptr) {
      return absl::FailedPreconditionError("tracing is already enabled");
    }
    std::FILE* f = std::fopen(path.c_str(), "wbe");
    if (f == nullptr) return ErrorOf("cannot create", path, errno);
    // A fork's child must have nothing of it to write.
    std::setvbuf(f, nullptr, _IONBF, 0);
    if (!Producing()) Begin();
    Advance(true, [&] {  // the file begins with a generation
      file_ = f;
      file_status_ = absl::OkStatus();
      lost_before_file_ = lost_.load(std::memory_order_relaxed);
      ToFile(kTraceHeader);
    });
    return absl::OkStatus();
  });
}

absl::Status TraceCollector::StopFile() {
  return Do([this]() -> absl::Status {
    if (file_ == nullptr) {
      return absl::FailedPreconditionError("tracing is not enabled");
    }
    Advance(flight_, [&] {
      if (std::fclose(file_) != 0 && file_status_.ok()) {
        file_status_ = ErrorOf("cannot write", "the trace", errno);
      }
      file_ = nullptr;
    });
    if (lost_.load(std::memory_order_relaxed) != lost_before_file_ &&
        file_status_.ok()) {
      return absl::ResourceExhaustedError(kEventsAreMissing);
    }
    return file_status_;
  });
}

absl::Status TraceCollector::StartFlight(int64_t min_age_ns, size_t max_bytes) {
  return Do([this, min_age_ns, max_bytes]() -> absl::Status {
    if (flight_) {
      return absl::FailedPreconditionError("flight recorder already enabled");
    }
    if (!Producing()) Begin();
    min_age_ns_ = min_age_ns;
    max_bytes_ = max_bytes;
    Advance(true, [&] {
      flight_ = true;
      lost_before_flight_ = lost_.load(std::memory_order_relaxed);
      kept_.emplace_back();
    });
    return absl::OkStatus();
  });
}

absl::Status TraceCollector::WriteFlight(const std::string& path) {
  return Do([this, path]() -> absl::Status {
    if (!flight_) {
      return absl::FailedPreconditionError("flight recorder is not enabled");
    }
    std::FILE* f = std::fopen(path.c_str(), "wbe");
    if (f == nullptr) return ErrorOf("cannot create", path, errno);
    Advance(true, [] {});
    bool good = std::fwrite(kTraceHeader.data(), 1, kTraceHeader.size(), f) ==
                kTraceHeader.size();
    for (auto it = kept_.begin(); it + 1 != kept_.end(); ++it) {
      good = good && std::fwrite(it->bytes.data(), 1, it->bytes.size(), f) ==
                         it->bytes.size();
    }
    good = std::fclose(f) == 0 && good;
    if (!good) return ErrorOf("cannot write", path, errno);
    return lost_.load(std::memory_order_relaxed) == lost_before_flight_
               ? absl::OkStatus()
               : absl::ResourceExhaustedError(kEventsAreMissing);
  });
}

absl::Status TraceCollector::StopFlight() {
  return Do([this]() -> absl::Status {
    if (!flight_) {
      return absl::FailedPreconditionError("flight recorder is not enabled");
    }
    Advance(file_ != nullptr, [&] {
      flight_ = false;
      kept_.clear();
    });
    return absl::OkStatus();
  });
}

// --- Generations.

// Before the first one.
void TraceCollector::Begin() {
  begin_ns_ = NanoTime();
  begin_time_ = TraceTime(options_.clock);
}

// Ends the generation, if there is one, and begins the next one or none. `between`
// runs where a consumer may come or go.
void TraceCollector::Advance(bool go_on, absl::FunctionRef<void()> between) {
  std::unique_ptr<TraceTables> next;
  if (go_on) {
    next = std::make_unique<TraceTables>(++generation_, options_.strings);
  }
  const int64_t begin = NanoTime();
  producer_->Switch(next.get());
  const int64_t switching = NanoTime() - begin;
  RuntimeLockGuard guard(work_mu_);
  Drain();
  if (tables_ != nullptr) {
    std::string bytes;
    encoder_.Append(tables_.get(), TraceTime(options_.clock), Frequency(),
                    &bytes);
    Output(bytes);
    if (flight_) {
      kept_.back().end_ns = NanoTime();
      kept_.emplace_back();
      TrimFlight();
    }
  }
  between();
  tables_ = std::move(next);
  for (TraceBuffer* b : std::exchange(early_, {})) Consume(b);
  int64_t period = options_.period_ns;
  if (flight_) period = std::clamp(min_age_ns_ / 4, kMinPeriodNs, period);
  generation_end_ =
      NanoTime() +
      std::max(period, std::min(kSwitchShare * switching, kMaxPeriodNs));
}

void TraceCollector::Drain() {
  TraceBuffer* b;
  {
    RuntimeLockGuard guard(mu_);
    b = std::exchange(full_, nullptr);
    full_last_ = &full_;
    full_size_ = 0;
  }
  while (b != nullptr) {
    TraceBuffer* const next = b->next;
    Consume(b);
    b = next;
  }
}

void TraceCollector::Consume(TraceBuffer* b) {
  const uint64_t made = tables_ == nullptr ? 0 : tables_->generation();
  if (b->generation == generation_ && made != generation_) {
    early_.push_back(b);
    return;
  }
  if (b->generation == made && b->size != 0) {
    batch_.clear();
    AppendBatch(*b, b->size, &batch_);
    Output(batch_);
  }
  pool_.Give(b);
}

void TraceCollector::ToFile(absl::string_view bytes) {
  if (file_ != nullptr && file_status_.ok() &&
      std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    file_status_ = ErrorOf("cannot write", "the trace", errno);
  }
}

void TraceCollector::Output(absl::string_view bytes) {
  ToFile(bytes);
  if (flight_) kept_.back().bytes.append(bytes.data(), bytes.size());
}

// Keeps what is younger than min_age_ns_, but no more than max_bytes_.
void TraceCollector::TrimFlight() {
  size_t total = 0;
  for (const Kept& k : kept_) total += k.bytes.size();
  const int64_t now = NanoTime();
  // The last one is empty, the one before it the last complete one.
  while (kept_.size() > 2 &&
         (total > max_bytes_ || kept_.front().end_ns < now - min_age_ns_)) {
    total -= kept_.front().bytes.size();
    kept_.pop_front();
  }
}

// Measured once: times in a file count from one point.
uint64_t TraceCollector::Frequency() {
  if (options_.frequency != 0) return options_.frequency;
  if (frequency_ != 0) return frequency_;
  int64_t ns = NanoTime() - begin_ns_;
  if (ns < kMinMeasureNs) {
    usleep((kMinMeasureNs - ns) / 1000 + 1);
    ns = NanoTime() - begin_ns_;
  }
  const double units =
      static_cast<double>(TraceTime(options_.clock) - begin_time_);
  frequency_ = std::max<uint64_t>(
      static_cast<uint64_t>(units * 1e9 / static_cast<double>(ns)), 1);
  return frequency_;
}

void TraceCollector::Die(
    absl::FunctionRef<void(absl::FunctionRef<void(const TraceStream&)>)>
        for_each_stream) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (died_.exchange(true)) return;  // the lock is kept
  bool locked = false;
  for (int i = 0; i < 20'000 && !locked; ++i) {  // 2 s: names are looked up
    locked = work_mu_.TryLock();
    if (!locked) usleep(100);
  }
  if (!locked || file_ == nullptr || tables_ == nullptr) return;
  Drain();
  for_each_stream([&](const TraceStream& stream) {
    size_t size;
    const TraceBuffer* b = stream.Peek(&size);
    if (b == nullptr || b->generation != tables_->generation()) return;
    std::string bytes;
    AppendBatch(*b, size, &bytes);
    Output(bytes);
  });
  std::string bytes;
  encoder_.Append(tables_.get(), TraceTime(options_.clock), Frequency(),
                  &bytes);
  Output(bytes);
  std::fflush(file_);
}

}  // namespace mpg
