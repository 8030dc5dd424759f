// SingleFlight<K, V>: of several who want the same at the same time, one does
// the work and all get the result. Go: golang.org/x/sync/singleflight.
//
//   SingleFlight<std::string, Page> flights;
//   auto result = flights.Do(url, [&] { return Fetch(url); });
//   if (result.value.ok()) Show(*result.value);
//
// Thread safety: all methods from any goroutine or thread. Must outlive the
// calls, those of DoChan until their channel has given its result.
// What blocks: Do, for as long as the function runs, whoever runs it.
// Memory: what the function did is visible to all who got its result.
//
// K: hashable by absl::Hash, and copyable; V: copyable.
#ifndef MPG_CONTEXT_SINGLE_FLIGHT_H_
#define MPG_CONTEXT_SINGLE_FLIGHT_H_

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/panic.h"
#include "base/park.h"
#include "channel/chan.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

namespace mpg {

template <class K, class V>
class SingleFlight {
 public:
  struct Result {
    absl::StatusOr<V> value;
    bool shared;  // it was given to more than one
  };
  using Function = absl::AnyInvocable<absl::StatusOr<V>()>;

  SingleFlight() = default;
  SingleFlight(const SingleFlight&) = delete;
  SingleFlight& operator=(const SingleFlight&) = delete;

  // Runs fn, or waits for the fn of the same key that is running, and returns
  // what that returned. If it throws, all who wait throw the same. If it is left
  // by Goexit, they throw Panic("runtime.Goexit was called").
  Result Do(const K& key, Function fn) {
    bool mine = false;
    const std::shared_ptr<Call> call = Join(key, nullptr, &mine);
    if (mine) {
      Run(key, call, std::move(fn));
    } else {
      call->done.Wait();
    }
    if (call->exception != nullptr) std::rethrow_exception(call->exception);
    if (!call->value) throw Panic("runtime.Goexit was called");
    return {*call->value, call->shared};
  }

  // As Do, but fn runs concurrently, and the result comes on the channel, which
  // is not closed. If fn throws, the program ends, even if others wait in Do.
  RecvChan<Result> DoChan(const K& key, Function fn) {
    const auto result = MakeChan<Result>(1);
    bool mine = false;
    std::shared_ptr<Call> call = Join(key, &result, &mine);
    if (mine) {
      SpawnConcurrent([this, key, call, fn = std::move(fn)]() mutable {
        Run(key, call, std::move(fn));
      });
    }
    return result;
  }

  // The next Do of this key runs its function, whoever runs one now.
  void Forget(const K& key) {
    MutexLock lock(&mu_);
    calls_.erase(key);
  }

 private:
  // Written by who runs the function, under mu_ or before `done`.
  struct Call {
    WaitGroup done;
    std::optional<absl::StatusOr<V>> value;
    std::exception_ptr exception;
    bool shared = false;
    std::vector<Chan<Result>> channels;
  };

  // The call of `key`; a new one, and *mine, if there is none.
  std::shared_ptr<Call> Join(const K& key, const Chan<Result>* channel,
                             bool* mine) {
    MutexLock lock(&mu_);
    std::shared_ptr<Call>& call = calls_[key];
    *mine = call == nullptr;
    if (*mine) {
      call = std::make_shared<Call>();
      call->done.Add(1);
    } else {
      call->shared = true;
    }
    if (channel != nullptr) call->channels.push_back(*channel);
    return call;
  }

  // However the function ends, those who wait go on.
  struct Finish {
    SingleFlight* flight;
    const K& key;
    Call* call;
    ~Finish() { flight->Ended(key, call); }
  };

  void Run(const K& key, const std::shared_ptr<Call>& call, Function fn) {
    const Finish finish{this, key, call.get()};
    try {
      call->value.emplace(fn());
    } catch (...) {
      call->exception = std::current_exception();  // null: Goexit
      // Go on in Do, which throws it; a Goexit has to be passed on.
      if (call->exception == nullptr) throw;
    }
  }

  void Ended(const K& key, Call* call) {
    std::vector<Chan<Result>> channels;
    bool shared;
    {
      MutexLock lock(&mu_);
      const auto it = calls_.find(key);  // unless forgotten
      if (it != calls_.end() && it->second.get() == call) calls_.erase(it);
      channels.swap(call->channels);
      shared = call->shared;
    }
    if (call->exception != nullptr && !channels.empty()) {
      // Nobody may catch it: those at the channels would wait for ever.
      SpawnConcurrent([e = call->exception] { std::rethrow_exception(e); });
    }
    for (const Chan<Result>& channel : channels) {
      if (call->value) channel.Send({*call->value, shared});
    }
    call->done.Done();
  }

  Mutex mu_;
  absl::flat_hash_map<K, std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace mpg

#endif  // MPG_CONTEXT_SINGLE_FLIGHT_H_
