#include "tools/trace/generation.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mpg {
namespace tracetool {
namespace {

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("damaged trace: ", what));
}

uint8_t FirstByte(const Batch& batch) {
  return batch.data.empty() ? uint8_t{kEvNone}
                            : static_cast<uint8_t>(batch.data[0]);
}

}  // namespace

bool ByteReader::Byte(uint8_t* value) {
  if (data_.empty()) return false;
  *value = static_cast<uint8_t>(data_[0]);
  data_.remove_prefix(1);
  return true;
}

bool ByteReader::Varint(uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    uint8_t byte;
    if (!Byte(&byte) || (shift == 63 && byte > 1)) return false;
    *value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ByteReader::Bytes(uint64_t size, absl::string_view* value) {
  if (size > data_.size()) return false;
  *value = data_.substr(0, size);
  data_.remove_prefix(size);
  return true;
}

bool BatchReader::Byte(uint8_t* value) {
  const int c = in_->rdbuf()->sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  *value = static_cast<uint8_t>(c);
  ++offset_;
  return true;
}

absl::Status BatchReader::Varint(const char* what, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    uint8_t byte;
    if (!Byte(&byte)) {
      return absl::DataLossError(
          absl::StrCat("truncated trace: it ends in a batch's ", what,
                       ", at byte ", offset_));
    }
    if (shift == 63 && byte > 1) break;
    *value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return absl::OkStatus();
  }
  return Damaged(
      absl::StrCat("a batch's ", what, " is no number, at byte ", offset_));
}

absl::StatusOr<std::optional<Batch>> BatchReader::Next() {
  const uint64_t start = offset_;
  uint8_t type;
  if (!Byte(&type)) return std::optional<Batch>();
  if (type != kEvEventBatch && type != kEvExperimentalBatch) {
    return Damaged(
        absl::StrCat("no batch begins at byte ", start, " (type ", type, ")"));
  }
  Batch batch;
  batch.experimental = type == kEvExperimentalBatch;
  uint8_t experiment;
  if (batch.experimental && !Byte(&experiment)) {
    return absl::DataLossError("truncated trace: it ends in a batch's header");
  }
  uint64_t m, size;
  absl::Status status = Varint("generation", &batch.generation);
  if (status.ok()) status = Varint("thread", &m);
  if (status.ok()) status = Varint("time", &batch.time);
  if (status.ok()) status = Varint("size", &size);
  if (!status.ok()) return status;
  if (size > kMaxBatchSize) {
    return Damaged(absl::StrCat("the batch at byte ", start, " has ", size,
                                " bytes; at most ", kMaxBatchSize,
                                " are allowed"));
  }
  batch.m = static_cast<int64_t>(m);
  batch.data.resize(size);
  const auto got = static_cast<uint64_t>(
      in_->rdbuf()->sgetn(&batch.data[0], static_cast<std::streamsize>(size)));
  offset_ += got;
  if (got != size) {
    return absl::DataLossError(
        absl::StrCat("truncated trace: the batch at byte ", start, " has ", got,
                     " of ", size, " bytes"));
  }
  return std::optional<Batch>(std::move(batch));
}

absl::string_view Tables::String(uint64_t id) const {
  const auto it = strings_.find(id);
  return it == strings_.end() ? absl::string_view() : it->second;
}

std::vector<Frame> Tables::Stack(uint64_t id) const {
  std::vector<Frame> result;
  const auto it = stacks_.find(id);
  if (it == stacks_.end()) return result;
  result.reserve(it->second.size());
  for (const uint64_t pc : it->second) result.push_back(frames_.at(pc));
  return result;
}

absl::Status Generation::Add(Batch batch) {
  if (batch.experimental) return absl::OkStatus();  // nobody here reads them
  switch (FirstByte(batch)) {
    case kEvStrings:
      return AddStrings(batch);
    case kEvStacks:
      return AddStacks(batch);
    case kEvCpuSamples:
      return AddCpuSamples(batch);
    case kEvFrequency:
      return AddFrequency(batch);
    default:
      break;
  }
  const auto inserted = thread_index_.try_emplace(batch.m, threads_.size());
  if (inserted.second) threads_.push_back({batch.m, {}});
  threads_[inserted.first->second].batches.push_back(std::move(batch));
  return absl::OkStatus();
}

absl::Status Generation::AddStrings(const Batch& batch) {
  ByteReader r(absl::string_view(batch.data).substr(1));
  while (!r.empty()) {
    uint8_t type;
    uint64_t id, size;
    absl::string_view text;
    if (!r.Byte(&type) || type != kEvString || !r.Varint(&id) ||
        !r.Varint(&size) || size > kMaxStringSize || !r.Bytes(size, &text)) {
      return Damaged("a string is broken");
    }
    if (!tables_.strings_.emplace(id, text).second) {
      return Damaged(absl::StrCat("string ", id, " is there twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status Generation::AddStack(ByteReader* r) {
  uint64_t id, frames;
  if (!r->Varint(&id) || !r->Varint(&frames) || frames > kMaxFrames) {
    return Damaged("a stack is broken");
  }
  std::vector<uint64_t> pcs;
  pcs.reserve(frames);
  for (uint64_t i = 0; i < frames; ++i) {
    Frame frame;
    if (!r->Varint(&frame.pc) || !r->Varint(&frame.function) ||
        !r->Varint(&frame.file) || !r->Varint(&frame.line)) {
      return Damaged(absl::StrCat("stack ", id, " is broken"));
    }
    pcs.push_back(frame.pc);
    tables_.frames_.emplace(frame.pc, frame);
  }
  if (!tables_.stacks_.emplace(id, std::move(pcs)).second) {
    return Damaged(absl::StrCat("stack ", id, " is there twice"));
  }
  return absl::OkStatus();
}

absl::Status Generation::AddStacks(const Batch& batch) {
  ByteReader r(absl::string_view(batch.data).substr(1));
  while (!r.empty()) {
    uint8_t type;
    if (!r.Byte(&type) || type != kEvStack) return Damaged("no stack");
    const absl::Status status = AddStack(&r);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Generation::AddCpuSamples(const Batch& batch) {
  ByteReader r(absl::string_view(batch.data).substr(1));
  while (!r.empty()) {
    uint8_t type;
    uint64_t time, m, p, g, stack;
    if (!r.Byte(&type) || type != kEvCpuSample || !r.Varint(&time) ||
        !r.Varint(&m) || !r.Varint(&p) || !r.Varint(&g) || !r.Varint(&stack)) {
      return Damaged("a CPU sample is broken");
    }
    CpuSample sample;
    sample.time = static_cast<int64_t>(time);
    sample.m = static_cast<int64_t>(m);
    sample.p = static_cast<int64_t>(p);
    sample.g = g == 0 ? -1 : static_cast<int64_t>(g);
    sample.stack = stack;
    samples_.push_back(sample);
  }
  return absl::OkStatus();
}

absl::Status Generation::AddFrequency(const Batch& batch) {
  ByteReader r(absl::string_view(batch.data).substr(1));
  uint64_t frequency;
  if (!r.Varint(&frequency) || frequency == 0) {
    return Damaged("the clock's frequency is broken");
  }
  if (ns_per_unit_ != 0) return Damaged("the clock has two frequencies");
  // In the steps in which Go computes it, so that times agree to the last digit.
  ns_per_unit_ = 1.0 / (static_cast<double>(frequency) / 1e9);
  return absl::OkStatus();
}

int64_t Generation::Nanoseconds(uint64_t units) const {
  // A quarter of what an int64 holds, so that sums of damaged times stay inside.
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max() / 4;
  const double ns = static_cast<double>(units) * ns_per_unit_;
  return ns < static_cast<double>(kMax) ? static_cast<int64_t>(ns) : kMax;
}

absl::Status Generation::Finish() {
  if (ns_per_unit_ == 0) {
    return Damaged(absl::StrCat("generation ", number_,
                                " says nothing about the clock's frequency"));
  }
  for (const auto& stack : tables_.stacks_) {
    for (const uint64_t pc : stack.second) {
      const Frame& frame = tables_.frames_.at(pc);
      if (!tables_.HasString(frame.function) ||
          !tables_.HasString(frame.file)) {
        return Damaged(absl::StrCat("stack ", stack.first,
                                    " names a string that is not there"));
      }
    }
  }
  for (CpuSample& sample : samples_) {
    if (!tables_.HasStack(sample.stack)) {
      return Damaged("a CPU sample names a stack that is not there");
    }
    sample.time = Nanoseconds(static_cast<uint64_t>(sample.time));
  }
  std::stable_sort(
      samples_.begin(), samples_.end(),
      [](const CpuSample& a, const CpuSample& b) { return a.time < b.time; });
  return absl::OkStatus();
}

}  // namespace tracetool
}  // namespace mpg
