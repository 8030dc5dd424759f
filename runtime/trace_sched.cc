#include "runtime/trace_sched.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

#include "base/clock.h"
#include "base/tick_clock.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"
#include "runtime/trace_ids.h"
#include "runtime/trace_names.h"

namespace mpg {
namespace internal {
namespace {

TraceClock Clock() { return CounterIsClock() ? nullptr : &NanoTime; }

TraceCollector::Options CollectorOptions() {
  TraceCollector::Options o;
  o.clock = Clock();
  if (o.clock != nullptr) o.frequency = 1'000'000'000 / 16;  // TraceTime
  o.strings = TraceNames();
  o.symbolize = &FrameForTrace;
  return o;
}

// All Scheds that a trace is to show.
class Producer final : public TraceProducer {
 public:
  Producer() : collector_(this, CollectorOptions()) {}

  TraceCollector* collector() { return &collector_; }

  bool IsOn() const { return on_.load(std::memory_order_relaxed); }

  bool CanSwitch() override {
    RuntimeLockGuard guard(mu_);
    return ending_ == 0;
  }

  // An ending Sched would not stop, and has to hand over what it has.
  void Switch(TraceTables* tables) override {
    std::vector<Sched*> scheds;
    while (!BeginSwitch(tables, &scheds)) usleep(100);
    for (Sched* s : scheds) SwitchSched(s);
    RuntimeLockGuard guard(mu_);
    switching_ = false;
  }

  void Attach(Sched* s) {
    RuntimeLockGuard guard(mu_);
    scheds_.push_back(s);
    if (tables_ != nullptr) SetTables(s);
  }

  bool BeginEnd() {
    RuntimeLockGuard guard(mu_);
    if (switching_) return false;
    ++ending_;
    return true;
  }

  void Detach(Sched* s) {
    RuntimeLockGuard guard(mu_);
    --ending_;
    const auto it = std::find(scheds_.begin(), scheds_.end(), s);
    if (it == scheds_.end()) return;  // a fork's child's, which has ended
    scheds_.erase(it);
    if (s->trace.tables != nullptr) StopTracing(s);
  }

 private:
  bool BeginSwitch(TraceTables* tables, std::vector<Sched*>* scheds) {
    RuntimeLockGuard guard(mu_);
    if (ending_ != 0) return false;
    switching_ = true;
    // Bit 31: see G::trace.
    if (tables_ == nullptr) epoch_ = (epoch_ + 1) | (uint32_t{1} << 31);
    tables_ = tables;
    // relaxed: a hint.
    on_.store(tables != nullptr, std::memory_order_relaxed);
    *scheds = scheds_;
    return true;
  }

  void SwitchSched(Sched* s) {
    s->world.Acquire();
    s->StopTheWorldWithLock(nullptr);
    // No lock is needed for tables_: only this thread changes them.
    if (tables_ != nullptr) {
      SetTables(s);
    } else {
      StopTracing(s);
    }
    s->StartTheWorldWithLock(s->gomaxprocs.load());
    s->world.Release();
  }

  void SetTables(Sched* s);
  void StopTracing(Sched* s);

  TraceCollector collector_;
  RuntimeLock mu_;
  std::vector<Sched*> scheds_;
  TraceTables* tables_ = nullptr;
  std::atomic<bool> on_{false};
  uint32_t epoch_ = 0;
  bool switching_ = false;
  int ending_ = 0;
};

RuntimeLock producer_mu;
std::atomic<Producer*> producer{nullptr};

// The child of a fork has no collector's thread, and its parent's Scheds do not
// run there: what it does is no part of the trace.
void ForgetInChild() {
  new (&producer_mu) RuntimeLock;
  // relaxed: there is one thread.
  producer.store(nullptr, std::memory_order_relaxed);
}

Producer* GetProducer() {
  // acquire: pairs with the store below.
  if (Producer* p = producer.load(std::memory_order_acquire)) return p;
  RuntimeLockGuard guard(producer_mu);
  Producer* p = producer.load(std::memory_order_relaxed);
  if (p == nullptr) {
    static const int registered =
        pthread_atfork(nullptr, nullptr, &ForgetInChild);
    (void)registered;
    p = new Producer;  // for ever
    producer.store(p, std::memory_order_release);
  }
  return p;
}

void BeginStream(std::unique_ptr<TraceStream>* stream, const SchedTrace& trace,
                 uint64_t thread) {
  if (*stream == nullptr) {
    *stream = std::make_unique<TraceStream>(GetTraceCollector(), Clock());
  }
  (*stream)->Begin(trace.tables, thread, trace.begin_time);
}

TraceGoStatus StatusForTrace(GStatus status) {
  if (status == GStatus::kWaiting) return TraceGoStatus::kWaiting;
  if (status == GStatus::kSyscall) return TraceGoStatus::kSyscall;
  return TraceGoStatus::kRunnable;  // kPreempted: it is queued
}

void EmitStatus(Sched* s, G* g, bool first) {
  // acquire: pairs with the release in SetGStatus.
  const GStatus status = g->status.load(std::memory_order_acquire);
  if (status == GStatus::kIdle || status == GStatus::kDead) return;
  if (!first && g->trace.epoch != s->trace.epoch) return;
  g->trace = {0, s->trace.epoch};
  s->trace.shared->EmitAtOnce(
      TraceEvent::kGoStatus, TraceGoidOf(s, g->goid),
      status == GStatus::kSyscall ? TraceThreadOf(g->m) : kNoTraceThread,
      StatusForTrace(status));
}

// The state of everything, as a generation begins with it. The world is stopped.
void EmitStatuses(Sched* s, bool first) {
  TraceStream* const out = s->trace.shared.get();
  for (int i = 0; i < s->allp_used.load(); ++i) {
    s->allp[i]->trace_seq = 0;
    out->EmitAtOnce(TraceEvent::kProcStatus, TraceProcOf(s, i),
                    TraceProcStatus::kIdle);
  }
  Sched::ForEachIn(s->g_blocks, [&](G* g) { EmitStatus(s, g, first); });
}

// The next generation of a trace, or its first. World stopped, or not yet born.
void Producer::SetTables(Sched* s) {
  RuntimeLockGuard guard(s->mu);
  RuntimeLockGuard trace_guard(s->trace.mu);
  SchedTrace& t = s->trace;
  const bool first = t.tables == nullptr;
  if (t.shared != nullptr) t.shared->End();
  t.tables = tables_;
  t.epoch = epoch_;
  t.begin_time = TraceTime(Clock());
  BeginStream(&t.shared, t, TraceSharedThreadOf(s));
  EmitStatuses(s, first);
  // All else comes after them, whatever the cores' clocks say.
  t.begin_time = t.shared->last_time();
  for (M* m : s->allm) TraceNewM(m);
  t.procs_unsaid.store(true, std::memory_order_relaxed);
}

void Producer::StopTracing(Sched* s) {
  RuntimeLockGuard guard(s->mu);
  RuntimeLockGuard trace_guard(s->trace.mu);
  s->trace.tables = nullptr;
  s->trace.shared->End();
  for (M* m : s->allm) {
    if (m->trace == nullptr) continue;
    m->trace->End();
    m->trace = nullptr;
  }
}

}  // namespace

void TraceNewM(M* m) {
  const SchedTrace& t = m->sched->trace;
  if (t.tables == nullptr) return;
  BeginStream(&m->trace_stream, t, TraceThreadOf(m));
  m->trace = m->trace_stream.get();
}

void TraceStarts(Sched* s) { GetProducer()->Attach(s); }

void TraceEnds(Sched* s) {
  (void)s;
  // In a call: the collector may be about to stop the caller's world, if it is
  // a goroutine of another one.
  Syscall([] {
    while (!GetProducer()->BeginEnd()) usleep(100);
  });
}

void TraceHasEnded(Sched* s) { GetProducer()->Detach(s); }

TraceCollector* GetTraceCollector() { return GetProducer()->collector(); }

bool TraceIsOn() {
  Producer* const p = producer.load(std::memory_order_acquire);
  return p != nullptr && p->IsOn();
}

int IdleTraceThreads() {
  // acquire: pairs with the store in GetProducer.
  Producer* const p = producer.load(std::memory_order_acquire);
  return p == nullptr ? 0 : p->collector()->IdleThreads();
}

void TraceDies() {
  Producer* const p = producer.load(std::memory_order_acquire);
  if (p == nullptr) return;
  p->collector()->Die([](absl::FunctionRef<void(const TraceStream&)> fn) {
    ForEachSchedRacy([fn](Sched* s) {
      if (s->trace.shared != nullptr) fn(*s->trace.shared);
      for (const M* m : s->allm) {
        if (m->trace != nullptr) fn(*m->trace);
      }
    });
  });
}

}  // namespace internal
}  // namespace mpg
