#include "tools/trace/reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mpg {
namespace tracetool {

absl::Status TraceReader::ReadHeader() {
  std::string header(kHeaderSize, '\0');
  const auto got = in_->rdbuf()->sgetn(&header[0], kHeaderSize);
  const absl::string_view text(header);
  if (got != kHeaderSize || !absl::StartsWith(text, "go 1.") ||
      text.substr(7) != absl::string_view(" trace\0\0\0", 9)) {
    return absl::InvalidArgumentError("this is not a Go execution trace");
  }
  const absl::string_view minor = text.substr(5, 2);
  if (minor != "22" && minor != "23") {
    return absl::InvalidArgumentError(
        absl::StrCat("the trace is in the format of Go 1.", minor,
                     "; only those of Go 1.22 and 1.23 can be read"));
  }
  version_ = minor == "22" ? 22 : 23;
  return absl::OkStatus();
}

absl::Status TraceReader::ReadGeneration() {
  generation_.reset();
  next_sample_ = 0;
  while (true) {
    std::optional<Batch> batch = std::exchange(spilled_, std::nullopt);
    if (!batch) {
      absl::StatusOr<std::optional<Batch>> read = batches_.Next();
      if (!read.ok()) {
        if (generation_ == nullptr) return read.status();
        spilled_error_ = read.status();  // first the events that are there
        break;
      }
      batch = *std::move(read);
    }
    if (!batch) break;
    if (generation_ == nullptr) {
      if (batch->generation == 0) {
        return absl::DataLossError("damaged trace: a generation has number 0");
      }
      generation_ = std::make_unique<Generation>(batch->generation);
    } else if (batch->generation == generation_->number() + 1) {
      spilled_ = std::move(batch);
      break;
    } else if (batch->generation != generation_->number()) {
      return absl::DataLossError(absl::StrCat("damaged trace: generation ",
                                              batch->generation, " follows ",
                                              generation_->number()));
    }
    const absl::Status status = generation_->Add(*std::move(batch));
    if (!status.ok()) return status;
  }
  return generation_ == nullptr ? absl::OkStatus() : generation_->Finish();
}

absl::Status TraceReader::StartGeneration() {
  absl::Status status = ReadGeneration();
  if (!status.ok() || generation_ == nullptr) {
    generation_.reset();
    return status;
  }
  synced_ = false;
  bytes_left_ = 0;
  for (const Generation::Thread& thread : generation_->threads()) {
    for (const Batch& batch : thread.batches) bytes_left_ += batch.data.size();
  }
  for (const Generation::Thread& thread : generation_->threads()) {
    auto cursor = std::make_unique<Cursor>();
    cursor->thread = &thread;
    const absl::StatusOr<bool> fetched = Fetch(cursor.get());
    if (!fetched.ok()) return fetched.status();
    if (*fetched) frontier_.push_back(std::move(cursor));
  }
  std::stable_sort(frontier_.begin(), frontier_.end(),
                   [](const auto& a, const auto& b) {
                     return a->event.time > b->event.time;
                   });
  return absl::OkStatus();
}

absl::StatusOr<bool> TraceReader::Fetch(Cursor* cursor) {
  const std::vector<Batch>& batches = cursor->thread->batches;
  while (cursor->batch < batches.size() &&
         cursor->offset == batches[cursor->batch].data.size()) {
    ++cursor->batch;
    cursor->offset = 0;
  }
  if (cursor->batch == batches.size()) return false;
  if (cursor->offset == 0) {
    cursor->time = generation_->Nanoseconds(batches[cursor->batch].time);
  }
  const absl::Status status = Decode(cursor);
  if (!status.ok()) return status;
  return true;
}

absl::Status TraceReader::Decode(Cursor* cursor) {
  const absl::string_view data = cursor->thread->batches[cursor->batch].data;
  ByteReader r(data.substr(cursor->offset));
  Event& event = cursor->event;
  event = Event();
  uint64_t delta;
  r.Byte(&event.type);
  const EventSpec& spec = SpecOf(event.type);
  if (!spec.timed) {
    return absl::DataLossError(
        absl::StrCat("damaged trace: an event of type ", event.type,
                     " in a batch of thread ", cursor->thread->m));
  }
  bool whole = r.Varint(&delta);
  for (int i = 0; whole && i < spec.args; ++i) whole = r.Varint(&event.args[i]);
  if (!whole) {
    return absl::DataLossError(absl::StrCat("damaged trace: an event ",
                                            spec.name, " of thread ",
                                            cursor->thread->m, " is cut off"));
  }
  // Bounded, so that no chain of damaged differences overflows.
  constexpr int64_t kLatest = int64_t{1} << 62;
  cursor->time =
      std::min(kLatest, cursor->time + generation_->Nanoseconds(delta));
  event.time = cursor->time;
  event.tables = &generation_->tables();
  bytes_left_ -= data.size() - r.left() - cursor->offset;
  cursor->offset = data.size() - r.left();
  return CheckTables(event);
}

absl::Status TraceReader::CheckTables(const Event& event) const {
  const EventSpec& spec = SpecOf(event.type);
  for (int i = 0; i < 2; ++i) {
    if ((spec.stacks[i] >= 0 &&
         !event.tables->HasStack(event.args[spec.stacks[i]])) ||
        (spec.strings[i] >= 0 &&
         !event.tables->HasString(event.args[spec.strings[i]]))) {
      return absl::DataLossError(
          absl::StrCat("damaged trace: an event ", spec.name,
                       " names a stack or string that is not there"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TraceReader::TryAdvance(size_t index) {
  Cursor* const cursor = frontier_[index].get();
  absl::StatusOr<bool> advanced =
      order_.Advance(cursor->event, cursor->thread->m, generation_->number());
  if (!advanced.ok() || !*advanced) return advanced;
  std::unique_ptr<Cursor> owner = std::move(frontier_[index]);
  frontier_.erase(frontier_.begin() + static_cast<ptrdiff_t>(index));
  const absl::StatusOr<bool> fetched = Fetch(owner.get());
  if (!fetched.ok()) return fetched.status();
  if (*fetched) {
    // At equal times a thread goes on.
    const auto at = std::upper_bound(frontier_.begin(), frontier_.end(), owner,
                                     [](const auto& a, const auto& b) {
                                       return a->event.time > b->event.time;
                                     });
    frontier_.insert(at, std::move(owner));
  }
  return true;
}

absl::Status TraceReader::AdvanceOne() {
  for (size_t i = frontier_.size(); i-- > 0;) {
    const absl::StatusOr<bool> advanced = TryAdvance(i);
    if (!advanced.ok()) return advanced.status();
    if (*advanced) return absl::OkStatus();
  }
  const Event& event = frontier_.back()->event;
  return absl::DataLossError(absl::StrCat(
      "broken trace: in generation ", generation_->number(), " none of ",
      frontier_.size(), " threads can go on; the first has ",
      SpecOf(event.type).name, " of thread ", frontier_.back()->thread->m,
      " at time ", event.time));
}

void TraceReader::TakeSample(Event* event) {
  const CpuSample& sample = generation_->cpu_samples()[next_sample_++];
  *event = Event();
  event->type = kEvCpuSample;
  event->time = sample.time;
  event->m = sample.m;
  event->p = sample.p;
  event->g = sample.g;
  event->args[0] = sample.stack;
  event->tables = &generation_->tables();
}

absl::StatusOr<bool> TraceReader::NextOrdered(Event* event) {
  if (order_.Next(event)) return true;
  while (true) {
    const bool samples_left = generation_ != nullptr &&
                              next_sample_ < generation_->cpu_samples().size();
    if (samples_left &&
        (frontier_.empty() || generation_->cpu_samples()[next_sample_].time <
                                  frontier_.back()->event.time)) {
      TakeSample(event);
      return true;
    }
    if (!frontier_.empty()) break;
    if (!synced_) {
      synced_ = true;
      *event = Event();
      event->type = kEvSync;
      event->time = last_time_;
      event->tables = &generation_->tables();
      return true;
    }
    if (!spilled_error_.ok()) return spilled_error_;
    const bool first = generation_ == nullptr;
    if (!first && !spilled_) return false;
    const absl::Status status = StartGeneration();
    if (!status.ok()) return status;
    if (generation_ == nullptr) {
      return absl::DataLossError("truncated trace: there is only the header");
    }
  }
  const absl::Status status = AdvanceOne();
  if (!status.ok()) return status;
  return order_.Next(event);
}

absl::StatusOr<bool> TraceReader::Next(Event* event) {
  if (version_ == 0) {
    const absl::Status status = ReadHeader();
    if (!status.ok()) return status;
  }
  absl::StatusOr<bool> more = NextOrdered(event);
  // A generation that is cut off lacks the tables at its end, so that its events look
  // damaged: the cut is the cause.
  if (!more.ok() && !spilled_error_.ok()) return spilled_error_;
  if (more.ok() && *more) {
    event->time = std::max(event->time, last_time_ + 1);
    last_time_ = event->time;
  }
  return more;
}

}  // namespace tracetool
}  // namespace mpg
