// Goexit unwinds: what it runs and what cannot stop it.
#include <cxxabi.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::RunWith;

// Sends what it is destroyed with.
struct Defer {
  Chan<std::string> out;
  std::string text;
  ~Defer() { out.Send(text); }
};

// What a goroutine that runs f reports, in order, up to "end".
template <class F>
std::vector<std::string> Reports(F f) {
  std::vector<std::string> got;
  RunWith(1, [&] {
    auto out = MakeChan<std::string>(100);
    Go([out, f] {
      Defer end{out, "end"};
      f(out);
    });
    for (;;) {
      got.push_back(*out.Recv());
      if (got.back() == "end") return;
    }
  });
  return got;
}

using Strings = std::vector<std::string>;

TEST(Goexit, RunsDestructorsInnermostFirst) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              Defer a{out, "outer"};
              [&] {
                Defer b{out, "inner"};
                Goexit();
              }();
              out.Send("not reached");
            }),
            (Strings{"inner", "outer", "end"}));
}

TEST(Goexit, IsNotStoppedByCatchAll) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              Defer a{out, "outer"};
              try {
                try {
                  Goexit();
                } catch (...) {
                  out.Send("caught 1");
                }
                out.Send("not reached");
              } catch (...) {
                out.Send("caught 2");
              }
              out.Send("not reached");
            }),
            (Strings{"caught 1", "caught 2", "outer", "end"}));
}

TEST(Goexit, GoesOnWhenCatchAllRethrows) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              Defer a{out, "outer"};
              try {
                Goexit();
              } catch (...) {
                out.Send("caught");
                throw;
              }
              out.Send("not reached");
            }),
            (Strings{"caught", "outer", "end"}));
}

TEST(Goexit, IsInvisibleToTypedCatch) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              try {
                try {
                  Goexit();
                } catch (const std::exception&) {
                  out.Send("exception");
                }
              } catch (int) {
                out.Send("int");
              }
            }),
            (Strings{"end"}));
}

TEST(Goexit, WorksInsideACatchBlock) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              Defer a{out, "outer"};
              try {
                throw std::runtime_error("x");
              } catch (const std::runtime_error& e) {
                out.Send(e.what());
                Goexit();
              }
            }),
            (Strings{"x", "outer", "end"}));
}

TEST(Goexit, DestructorsMayParkThrowAndCatch) {
  EXPECT_EQ(Reports([](Chan<std::string> out) {
              struct Busy {
                Chan<std::string> out;
                ~Busy() {
                  for (int i = 0; i < 10; ++i) Gosched();
                  try {
                    throw 5;
                  } catch (int v) {
                    out.Send(std::to_string(v));
                  }
                }
              } busy{out};
              Goexit();
            }),
            (Strings{"5", "end"}));
}

TEST(Goexit, DestroysTheClosure) {
  RunWith(1, [] {
    auto out = MakeChan<std::string>(1);
    Go([d = std::make_unique<Defer>(Defer{MakeChan<std::string>(9), ""}),
        out]() mutable {
      d->out = out;
      d->text = "closure";
      Goexit();
    });
    EXPECT_EQ(*out.Recv(), "closure");
  });
}

TEST(Goexit, LeavesNoExceptionStateToOthers) {
  RunWith(1, [] {
    auto done = MakeChan<int>();
    for (int i = 0; i < 100; ++i) {
      Go([i] {
        try {
          Goexit();
        } catch (...) {
          if (i % 2 == 0) throw;
        }
      });
      Go([done] {
        int bad = std::uncaught_exceptions();
        if (std::current_exception() != nullptr) bad += 100;
        done.Send(bad);
      });
      EXPECT_EQ(*done.Recv(), 0) << i;
      EXPECT_EQ(std::uncaught_exceptions(), 0) << i;
    }
  });
}

TEST(Goexit, EndsManyGoroutinesOnTwoPs) {
  Runtime runtime(internal::Procs(2));
  const int n = internal::Scaled(5000);
  std::atomic<int> destroyed{0};
  runtime.Run([&] {
    auto done = MakeChan<int>(100);
    for (int i = 0; i < n; ++i) {
      Go([&destroyed, done, i] {
        struct Count {
          std::atomic<int>* n;
          Chan<int> done;
          ~Count() {
            ++*n;
            done.Send(1);
          }
        } count{&destroyed, done};
        if (i % 3 == 0) Gosched();
        Goexit();
      });
    }
    for (int i = 0; i < n; ++i) done.Recv();
  });
  runtime.Wait();
  EXPECT_EQ(destroyed.load(), n);
  EXPECT_EQ(runtime.Stats().goroutines, 0);
}

}  // namespace
}  // namespace mpg
