// TraceCollector: takes full buffers from streams and makes trace files of them,
// on a thread of its own, which runs while a trace is taken.
//
// A trace is a row of generations of a second or so, each complete in itself: it
// begins with the state of everything and has its own tables. A file can begin
// with any of them; so a flight recorder keeps the last few in memory.
// A file and a flight recorder may take the same events at the same time.
//
// The producer (the runtime) is told to go on with the next generation, and then
// ends its streams' buffers and begins anew.
//
// Thread safety: any thread. StartFile, StopFile and the calls of the flight
// recorder block the calling goroutine or thread (base/park.h).
#ifndef MPG_TRACE_TRACE_COLLECTOR_H_
#define MPG_TRACE_TRACE_COLLECTOR_H_

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/park.h"
#include "trace/trace_encode.h"
#include "trace/trace_stream.h"

namespace mpg {

class TraceProducer {
 public:
  // Before an advance that only the time asks for. False: not now.
  virtual bool CanSwitch() = 0;
  // All streams end what they have and go on with `tables`; null: they stop, and
  // so does all that makes events. On the collector's thread; may block.
  virtual void Switch(TraceTables* tables) = 0;

 protected:
  ~TraceProducer() = default;
};

class TraceCollector final : public TraceBufferSink {
 public:
  struct Options {
    TraceClock clock = nullptr;         // as for TraceStream
    uint64_t frequency = 0;             // of TraceTime, a second; 0: measured
    int64_t period_ns = 1'000'000'000;  // a generation
    std::vector<std::string> strings;   // numbers 1, 2, ... of each generation
    TraceSymbolizer symbolize = nullptr;
  };
  TraceCollector(TraceProducer* producer, Options options);
  // REQUIRES: no file and no flight recorder.
  ~TraceCollector();

  // FailedPrecondition: there is a file already. Else what the system says.
  absl::Status StartFile(const std::string& path);
  // Returns when the file is written. FailedPrecondition: there is none.
  absl::Status StopFile();

  absl::Status StartFlight(int64_t min_age_ns, size_t max_bytes);
  // Writes what the flight recorder has, up to now; it goes on.
  absl::Status WriteFlight(const std::string& path);
  absl::Status StopFlight();

  // Its threads that sleep, and will wake nobody that it has not been asked to.
  int IdleThreads() const;

  // For a dying process, when no events are made any more: writes the file's rest
  // as well as it can. for_each_stream calls back with all streams.
  void Die(absl::FunctionRef<void(absl::FunctionRef<void(const TraceStream&)>)>
               for_each_stream);

  // TraceBufferSink
  TraceBuffer* TakeBuffer() override { return pool_.Take(); }
  void PutFull(TraceBuffer* b) override;
  void Lost() override { lost_.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct Command {
    absl::AnyInvocable<absl::Status()> run;
    Waiter* waiter;
    Command* next = nullptr;
    TraceCollector* collector;
    absl::Status status;
  };
  struct Kept {  // a generation of the flight recorder
    int64_t end_ns = 0;
    std::string bytes;
  };

  static const ParkSite kSite;
  static bool AbandonCommand(Waiter* w, void* arg);

  absl::Status Do(absl::AnyInvocable<absl::Status()> fn);
  absl::Status StartThread();
  // Everything below: on the collector's thread.
  void Loop();
  Command* NextCommand();
  bool Producing() const { return file_ != nullptr || flight_; }
  void Begin();
  void Advance(bool go_on, absl::FunctionRef<void()> between);
  void Drain();
  void Consume(TraceBuffer* b);
  void ToFile(absl::string_view bytes);
  void Output(absl::string_view bytes);
  void TrimFlight();
  uint64_t Frequency();

  TraceProducer* const producer_;
  const Options options_;
  TraceBufferPool pool_;
  TraceTableEncoder encoder_;

  mutable RuntimeLock mu_;
  TraceBuffer* full_ ABSL_GUARDED_BY(mu_) = nullptr;  // first
  TraceBuffer** full_last_ ABSL_GUARDED_BY(mu_) = &full_;
  int full_size_ ABSL_GUARDED_BY(mu_) = 0;
  Note wake_;
  std::atomic<uint64_t> lost_{0};  // events

  mutable RuntimeLock commands_mu_;  // holders allocate
  Command* commands_ ABSL_GUARDED_BY(commands_mu_) = nullptr;
  Command** commands_last_ ABSL_GUARDED_BY(commands_mu_) = &commands_;
  bool thread_ ABSL_GUARDED_BY(commands_mu_) = false;
  bool asleep_ ABSL_GUARDED_BY(commands_mu_) = false;

  std::atomic<bool> died_{false};
  RuntimeLock work_mu_;                  // the collector's thread, or who dies
  std::unique_ptr<TraceTables> tables_;  // of the generation being made
  uint64_t generation_ = 0;
  int64_t generation_end_ = 0;       // NanoTime when it is to end
  std::vector<TraceBuffer*> early_;  // of the one after it
  int64_t begin_ns_ = 0;
  uint64_t begin_time_ = 0;
  uint64_t frequency_ = 0;
  std::FILE* file_ = nullptr;
  absl::Status file_status_;
  std::string batch_;  // one at a time, as it is written
  uint64_t lost_before_file_ = 0;
  bool flight_ = false;
  uint64_t lost_before_flight_ = 0;
  int64_t min_age_ns_ = 0;
  size_t max_bytes_ = 0;
  std::deque<Kept> kept_;  // the last one is not complete
};

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_COLLECTOR_H_
