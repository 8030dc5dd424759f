#include "context/context.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "base/park.h"
#include "context/context_node.h"
#include "runtime/start_timer.h"
#include "runtime/time.h"

namespace mpg {
namespace {

const absl::Status& Canceled() {
  static const auto* const status =
      new absl::Status(absl::CancelledError("context canceled"));
  return *status;
}

}  // namespace

RecvChan<Unit> Context::Done() const {
  internal::CancelNode* const c = canceller();
  return c == nullptr ? RecvChan<Unit>() : c->Done();
}

absl::Status Context::Err() const {
  PreemptPoint();  // callers poll
  internal::CancelNode* const c = canceller();
  if (c == nullptr || !c->IsCancelled()) return absl::OkStatus();
  c->Done().Recv();  // nobody sees an error while Done is open
  return c->err;
}

absl::Status Context::Cause() const {
  internal::CancelNode* const c = canceller();
  if (c == nullptr || !c->IsCancelled()) return absl::OkStatus();
  c->Done().Recv();
  return c->cause;
}

std::optional<absl::Time> Context::Deadline() const {
  internal::CancelNode* const c = canceller();
  if (c == nullptr || c->deadline == absl::InfiniteFuture()) {
    return std::nullopt;
  }
  return c->deadline;
}

void CancelFunc::operator()() const {
  internal::CancelNode* const c = ctx_.canceller();
  if (c != nullptr) c->Cancel(Canceled(), Canceled());
}

void CancelCauseFunc::operator()(absl::Status cause) const {
  internal::CancelNode* const c = ctx_.canceller();
  if (c != nullptr) c->Cancel(Canceled(), cause.ok() ? Canceled() : cause);
}

bool StopFunc::operator()() const {
  if (after_ == nullptr) return false;
  internal::CancelNode* const c = ctx_.canceller();
  if (c != nullptr) return c->StopAfter(after_.get());
  if (!after_->Claim()) return false;
  after_->fn = nullptr;
  return true;
}

std::pair<Context, CancelFunc> WithCancel(const Context& parent) {
  Context ctx{internal::NodeRef(new internal::CancelNode(parent.node_.get()))};
  CancelFunc cancel(ctx);
  return {std::move(ctx), std::move(cancel)};
}

std::pair<Context, CancelCauseFunc> WithCancelCause(const Context& parent) {
  Context ctx{internal::NodeRef(new internal::CancelNode(parent.node_.get()))};
  CancelCauseFunc cancel(ctx);
  return {std::move(ctx), std::move(cancel)};
}

std::pair<Context, CancelFunc> WithDeadlineCause(const Context& parent,
                                                 absl::Time deadline,
                                                 absl::Status cause) {
  auto* const above = parent.canceller();
  if (deadline == absl::InfiniteFuture() ||
      (above != nullptr && above->deadline <= deadline)) {
    return WithCancel(parent);
  }
  auto* const node = new internal::CancelNode(parent.node_.get(), deadline);
  Context ctx{internal::NodeRef(node)};
  CancelFunc cancel(ctx);
  const absl::Duration left = deadline - Now();
  if (left <= absl::ZeroDuration()) {
    node->Cancel(internal::DeadlineExceeded(),
                 cause.ok() ? internal::DeadlineExceeded() : cause);
  } else if (!node->IsCancelled()) {
    auto* const hook = new internal::DeadlineHook(ctx.node_, std::move(cause));
    internal::StartTimer(hook, absl::ToInt64Nanoseconds(left));
    node->Add(hook);
  }
  return {std::move(ctx), std::move(cancel)};
}

std::pair<Context, CancelFunc> WithDeadline(const Context& parent,
                                            absl::Time deadline) {
  return WithDeadlineCause(parent, deadline, absl::OkStatus());
}

std::pair<Context, CancelFunc> WithTimeout(const Context& parent,
                                           absl::Duration timeout) {
  return WithDeadline(parent, Now() + timeout);
}

std::pair<Context, CancelFunc> WithTimeoutCause(const Context& parent,
                                                absl::Duration timeout,
                                                absl::Status cause) {
  return WithDeadlineCause(parent, Now() + timeout, std::move(cause));
}

Context WithoutCancel(const Context& parent) {
  return Context(internal::NodeRef(
      new internal::ContextNode(parent.node_.get(), nullptr)));
}

StopFunc AfterFunc(const Context& ctx, absl::AnyInvocable<void()> fn) {
  auto after = std::make_shared<internal::AfterHook>(std::move(fn));
  if (internal::CancelNode* const c = ctx.canceller(); c != nullptr) {
    after->in_list = after;
    c->Add(after.get());
  }
  return StopFunc(ctx, std::move(after));
}

}  // namespace mpg
