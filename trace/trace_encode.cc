#include "trace/trace_encode.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "trace/event.h"

namespace mpg {
namespace {

void AppendVarint(uint64_t v, std::string* out) {
  uint8_t bytes[10];
  out->append(reinterpret_cast<char*>(bytes), PutVarint(bytes, v) - bytes);
}

void AppendType(TraceEvent type, std::string* out) {
  out->push_back(static_cast<char>(type));
}

void AppendHeader(uint64_t generation, uint64_t thread, uint64_t time,
                  size_t size, std::string* out) {
  AppendType(TraceEvent::kEventBatch, out);
  AppendVarint(generation, out);
  AppendVarint(thread, out);
  AppendVarint(time, out);
  AppendVarint(size, out);
}

// Collects the entries of a table into batches.
class TableBatches {
 public:
  TableBatches(TraceEvent table, uint64_t generation, uint64_t time,
               std::string* out)
      : table_(table), generation_(generation), time_(time), out_(out) {}
  ~TableBatches() { Flush(); }

  void Add(absl::string_view entry) {
    if (batch_.size() + entry.size() + 1 > kMaxBatchBytes) Flush();
    if (batch_.empty()) AppendType(table_, &batch_);
    batch_.append(entry.data(), entry.size());
  }

 private:
  void Flush() {
    if (batch_.empty()) return;
    AppendHeader(generation_, kNoTraceThread, time_, batch_.size(), out_);
    *out_ += batch_;
    batch_.clear();
  }

  const TraceEvent table_;
  const uint64_t generation_;
  const uint64_t time_;
  std::string* const out_;
  std::string batch_;
};

}  // namespace

void AppendBatch(const TraceBuffer& b, size_t size, std::string* out) {
  AppendHeader(b.generation, b.thread, b.base_time, size, out);
  out->append(reinterpret_cast<const char*>(b.data), size);
}

const TraceFrame& TraceTableEncoder::FrameOf(uintptr_t pc) {
  auto [it, is_new] = frames_.try_emplace(pc);
  if (is_new) it->second = symbolize_(pc);
  return it->second;
}

void TraceTableEncoder::Append(TraceTables* tables, uint64_t time,
                               uint64_t frequency, std::string* out) {
  {
    TableBatches stacks(TraceEvent::kStacks, tables->generation(), time, out);
    std::string entry, shown;
    tables->ForEachStack([&](const TraceStack& s) {
      // One that has nothing but frames that are hidden is shown as it is: most
      // are where a goroutine starts.
      const bool all = std::all_of(s.pcs, s.pcs + s.size, [this](uintptr_t pc) {
        return FrameOf(pc).hidden;
      });
      shown.clear();
      uint64_t n = 0;
      for (uint32_t i = 0; i < s.size; ++i) {
        const TraceFrame& f = FrameOf(s.pcs[i]);
        if (f.hidden && !all) continue;
        AppendVarint(s.pcs[i], &shown);
        AppendVarint(tables->String(f.function), &shown);
        AppendVarint(tables->String(f.file), &shown);
        AppendVarint(f.line, &shown);
        ++n;
      }
      entry.clear();
      AppendType(TraceEvent::kStack, &entry);
      AppendVarint(s.id, &entry);
      AppendVarint(n, &entry);
      stacks.Add(entry += shown);
    });
  }
  {
    TableBatches strings(TraceEvent::kStrings, tables->generation(), time, out);
    std::string entry;
    tables->ForEachString([&](uint64_t id, absl::string_view s) {
      entry.clear();
      AppendType(TraceEvent::kString, &entry);
      AppendVarint(id, &entry);
      AppendVarint(s.size(), &entry);
      entry.append(s.data(), s.size());
      strings.Add(entry);
    });
  }
  std::string entry;
  AppendVarint(frequency, &entry);
  TableBatches(TraceEvent::kFrequency, tables->generation(), time, out)
      .Add(entry);
}

}  // namespace mpg
