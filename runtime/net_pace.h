// NetPace: whether a thread should be woken to share the goroutines that the
// network has just made runnable on a P. Internal.
//
// A wake-up costs some 10 us on both sides together, and the woken thread comes
// after 5 to 50 us. A P that runs its goroutines for 5 us each has done with
// several of them by then; all that the thread finds to do is to spin and to
// sleep again, on a core that the clients may have needed. So a P learns how
// long its goroutines run between two looks at the network; and whether the
// kernel has lately taken the core from its thread, for then there are more
// threads than cores already, and another one would keep somebody else from
// running. When it is wrong, sysmon sees to what waits behind a long one,
// within 2 ms (Sysmon::LookSoon). Go wakes a P for each goroutine that it can
// (injectglist).
//
// Thread safety: the P's owner.
#ifndef MPG_RUNTIME_NET_PACE_H_
#define MPG_RUNTIME_NET_PACE_H_

#include <algorithm>
#include <cstdint>

namespace mpg {
namespace internal {

class NetPace {
 public:
  // The work for whose sake a thread is woken, and that if cores are scarce:
  // since the kernel has taken one away, for so long. HTTP requests of 11 us
  // under wrk on two cores took 8 % longer at 50 us for both than at 200 us, or
  // than where nobody was woken at all, and no longer at 50 and 400 us.
  static constexpr int64_t kWakeWorthNs = 50'000;
  static constexpr int64_t kScarceWakeWorthNs = 400'000;
  static constexpr int64_t kScarceForNs = 10'000'000;
  // Behind one that runs for longer sysmon, which looks every 20 us at the
  // closest, is likely to find the next and to wake a thread.
  static constexpr int64_t kLongRunNs = 35'000;
  // Where now and then a goroutine runs for so long, those behind it should not
  // wait: for so many looks a thread is woken whenever there are two.
  static constexpr int64_t kVeryLongNs = 1'000'000;
  static constexpr int kWaryLooks = 128;

  // At `now` the P has looked at the network, which has readied n goroutines.
  // True: somebody should be woken. switched_out() is asked if need be: whether the
  // kernel has lately taken the core from this thread.
  template <class F>
  bool Polled(int n, int64_t now, F switched_out) {
    if (batch_ != 0) Learn(now - since_, now, switched_out);
    batch_ = n;
    since_ = now;
    if (n < 2) return false;
    if (wary_ > 0 || run_ns_ >= kLongRunNs) return true;
    const int64_t work = (n - 1) * run_ns_;
    if (work < kWakeWorthNs) return false;
    return work >= kScarceWakeWorthNs || !Scarce(now, switched_out);
  }

  // The P goes idle.
  void Idles() { batch_ = 0; }

 private:
  // Between two looks a P does what the first has readied, and what follows from
  // that: it took ns.
  template <class F>
  void Learn(int64_t ns, int64_t now, F switched_out) {
    if (wary_ > 0) --wary_;
    // It may have been the kernel.
    if (ns - batch_ * run_ns_ >= kVeryLongNs && !Scarce(now, switched_out)) {
      wary_ = kWaryLooks;
    }
    // Of what the kernel interrupted for long only so much is the goroutines'.
    run_ns_ += (std::min(ns / batch_, kWakeWorthNs) - run_ns_) / kMemory;
  }

  template <class F>
  bool Scarce(int64_t now, F switched_out) {
    if (now >= scarce_until_ && switched_out()) {
      scarce_until_ = now + kScarceForNs;
    }
    return now < scarce_until_;
  }

  static constexpr int64_t kMemory = 8;  // looks whose average it is, roughly

  int64_t run_ns_ = kWakeWorthNs;  // of one goroutine; at first not known
  int wary_ = 0;                   // looks to come
  int batch_ = 0;                  // of the last look; 0: the P has idled since
  int64_t since_ = 0;              // the last look
  int64_t scarce_until_ = 0;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_NET_PACE_H_
