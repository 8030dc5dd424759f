#include "channel/hchan.h"

#include "base/panic.h"
#include "base/park.h"
#include "base/wait_reason.h"
#include "channel/hchan_ops.h"

namespace mpg {
namespace internal {

template struct BasicHChan<ParkEnv>;
template struct BasicChanOps<ParkEnv, WordElem<0>>;
template struct BasicChanOps<ParkEnv, WordElem<1>>;
template struct BasicChanOps<ParkEnv, WordElem<4>>;
template struct BasicChanOps<ParkEnv, WordElem<8>>;
template struct BasicChanOps<ParkEnv, WordElem<16>>;
template struct BasicChanOps<ParkEnv, ObjectElem>;
template bool RemoveSudog(HChan* c, Sudog* sg);
template bool Abandon(HChan* c, Sudog* sg);

void BlockForever(WaitReason reason) {
  static constexpr ParkSite kRecvNil = {WaitReason::kChanReceiveNil, nullptr,
                                        nullptr};
  static constexpr ParkSite kSendNil = {WaitReason::kChanSendNil, nullptr,
                                        nullptr};
  static constexpr ParkSite kNoCases = {WaitReason::kSelectNoCases, nullptr,
                                        nullptr};
  const ParkSite* const site = reason == WaitReason::kChanReceiveNil ? &kRecvNil
                               : reason == WaitReason::kChanSendNil  ? &kSendNil
                                                                    : &kNoCases;
  for (;;) Park(CurrentWaiter(), site, nullptr, nullptr);
}

void ThrowSendOnClosed() { throw Panic("send on closed channel"); }
void ThrowCloseOfNil() { throw Panic("close of nil channel"); }

}  // namespace internal
}  // namespace mpg
