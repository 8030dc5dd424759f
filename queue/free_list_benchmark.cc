// The free lists: a get and a put that stay local, and waves larger than the
// local list, which go through the central one in batches.
#include <vector>

#include "benchmark/benchmark.h"
#include "queue/free_list.h"

namespace mpg {
namespace {

struct Thing {
  Thing* link = nullptr;
  Thing* batch_link = nullptr;
};
using Free = CentralFreeList<Thing, &Thing::link, &Thing::batch_link, 32>;

void BM_FreeList_LocalGetPut(benchmark::State& state) {
  Free central;
  Free::Local local(&central);
  Thing thing;
  local.Put(&thing);
  for (auto _ : state) {
    Thing* const t = local.Get();
    benchmark::DoNotOptimize(t);
    local.Put(t);
  }
  local.Flush();
  central.TakeAll();
}
BENCHMARK(BM_FreeList_LocalGetPut);

// Takes 256 and gives them back: six of the eight batches go to the central
// list and come from it. The time is for all, the rate for one get and one put.
void BM_FreeList_Waves(benchmark::State& state) {
  constexpr int kWave = 256;
  Free central;
  Free::Local local(&central);
  std::vector<Thing> things(kWave);
  std::vector<Thing*> held(kWave);
  for (Thing& t : things) local.Put(&t);
  for (auto _ : state) {
    for (Thing*& t : held) t = local.Get();
    for (Thing* t : held) local.Put(t);
  }
  state.SetItemsProcessed(state.iterations() * kWave);
  local.Flush();
  central.TakeAll();
}
BENCHMARK(BM_FreeList_Waves);

}  // namespace
}  // namespace mpg
