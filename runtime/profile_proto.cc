#include "runtime/profile_proto.h"

#include <stdio.h>
#include <zlib.h>

#include <cinttypes>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/backtrace.h"

namespace mpg {
namespace internal {
namespace {

// Field numbers of profile.proto.
enum ProfileField {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kTimeNanos = 9,
  kPeriodType = 11,
  kPeriod = 12
};

void PutVarint(uint64_t v, std::string* out) {
  for (; v >= 0x80; v >>= 7) out->push_back(static_cast<char>(v | 0x80));
  out->push_back(static_cast<char>(v));
}

// A number, left out if it is 0, as proto3 has it.
void PutUint(int field, uint64_t v, std::string* out) {
  if (v == 0) return;
  PutVarint(static_cast<uint64_t>(field) << 3, out);
  PutVarint(v, out);
}

void PutBytes(int field, absl::string_view bytes, std::string* out) {
  PutVarint(static_cast<uint64_t>(field) << 3 | 2, out);
  PutVarint(bytes.size(), out);
  out->append(bytes.data(), bytes.size());
}

}  // namespace

ProfileBuilder::ProfileBuilder(const std::vector<ValueType>& types,
                               const ValueType& period) {
  StringId("");  // the first one must be empty
  for (const ValueType& t : types) PutBytes(kSampleType, TypeMessage(t), &out_);
  PutBytes(kPeriodType, TypeMessage(period), &out_);
  PutUint(kPeriod, 1, &out_);
  ReadMappings();
}

std::string ProfileBuilder::TypeMessage(const ValueType& type) {
  std::string m;
  PutUint(1, StringId(type.first), &m);
  PutUint(2, StringId(type.second), &m);
  return m;
}

uint64_t ProfileBuilder::StringId(absl::string_view s) {
  const auto [it, is_new] =
      strings_.try_emplace(std::string(s), string_table_.size());
  if (is_new) string_table_.emplace_back(s);
  return it->second;
}

// The code of the program and its libraries. Go: parseProcSelfMaps.
void ProfileBuilder::ReadMappings() {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;  // then locations are in no mapping
  char line[4096 + 256];
  while (fgets(line, sizeof line, maps) != nullptr) {
    uint64_t start, limit, offset;
    char mode[5];
    int path = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
               &start, &limit, mode, &offset, &path) < 4 ||
        mode[2] != 'x') {
      continue;
    }
    line[strcspn(line, "\n")] = '\0';
    mappings_.push_back({start, limit});
    std::string m;
    PutUint(1, mappings_.size(), &m);
    PutUint(2, start, &m);
    PutUint(3, limit, &m);
    PutUint(4, offset, &m);
    PutUint(5, StringId(line + path), &m);
    PutUint(7, 1, &m);  // has_functions: pprof need not look for symbols
    PutBytes(kMapping, m, &out_);
  }
  fclose(maps);
}

uint64_t ProfileBuilder::MappingId(uintptr_t address) const {
  for (size_t i = 0; i < mappings_.size(); ++i) {
    if (mappings_[i].start <= address && address < mappings_[i].limit) {
      return i + 1;
    }
  }
  return 0;
}

uint64_t ProfileBuilder::FunctionId(const std::string& name) {
  const auto [it, is_new] = functions_.try_emplace(name, functions_.size() + 1);
  if (is_new) {
    std::string m;
    PutUint(1, it->second, &m);
    PutUint(2, StringId(name), &m);
    PutUint(3, StringId(name), &m);
    PutBytes(kFunction, m, &out_);
  }
  return it->second;
}

uint64_t ProfileBuilder::LocationId(const void* pc) {
  // Within the call, not behind it.
  const uintptr_t address = reinterpret_cast<uintptr_t>(pc) - 1;
  const auto [it, is_new] =
      locations_.try_emplace(address, locations_.size() + 1);
  if (is_new) {
    std::string line;
    PutUint(1, FunctionId(names_[pc]), &line);
    std::string m;
    PutUint(1, it->second, &m);
    PutUint(2, MappingId(address), &m);
    PutUint(3, address, &m);
    PutBytes(4, line, &m);
    PutBytes(kLocation, m, &out_);
  }
  return it->second;
}

void ProfileBuilder::AddSample(
    const std::vector<void*>& stack, const std::vector<int64_t>& values,
    const std::map<std::string, std::string>& labels) {
  std::vector<const void*> shown;
  absl::string_view callee;
  for (const void* pc : stack) {
    const auto [it, is_new] = names_.try_emplace(pc);
    if (is_new) it->second = FunctionName(pc);
    if (!IsHiddenFrame(it->second, callee)) shown.push_back(pc);
    callee = it->second;
  }
  if (shown.empty()) shown.assign(stack.begin(), stack.end());
  std::string ids, numbers, m;
  for (const void* pc : shown) PutVarint(LocationId(pc), &ids);
  for (int64_t v : values) PutVarint(static_cast<uint64_t>(v), &numbers);
  PutBytes(1, ids, &m);
  PutBytes(2, numbers, &m);
  for (const auto& [key, value] : labels) {
    std::string label;
    PutUint(1, StringId(key), &label);
    PutUint(2, StringId(value), &label);
    PutBytes(3, label, &m);
  }
  PutBytes(kSample, m, &out_);
}

std::string ProfileBuilder::Finish(int64_t time_ns) {
  PutUint(kTimeNanos, static_cast<uint64_t>(time_ns), &out_);
  for (const std::string& s : string_table_) PutBytes(kStringTable, s, &out_);
  return std::move(out_);
}

absl::StatusOr<std::string> Gzip(absl::string_view data) {
  z_stream z;
  memset(&z, 0, sizeof z);
  constexpr int kGzipWindow = 15 + 16;  // 16: gzip's header, not zlib's
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return absl::ResourceExhaustedError("zlib: no memory");
  }
  std::string out(deflateBound(&z, data.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(&out[0]);
  z.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  if (result != Z_STREAM_END) {
    return absl::InternalError(absl::StrCat("zlib: error ", result));
  }
  return out;
}

}  // namespace internal
}  // namespace mpg
