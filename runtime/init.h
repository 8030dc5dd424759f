// Functions that the main goroutine runs before main, on the thread that called
// Runtime::Run, to which it is locked until they are done. For libraries that
// must be set up on the program's first thread. Go: init functions, which run
// locked to the main thread.
#ifndef MPG_RUNTIME_INIT_H_
#define MPG_RUNTIME_INIT_H_

namespace mpg {

// Registers fn; runs once in the process's life, in the order of registration,
// when the first Run after it begins. Any thread, also before main(), as in
//   static const bool registered = (mpg::OnInit(&SetUp), true);
// fn may start goroutines and block; an exception that leaves it is a panic.
void OnInit(void (*fn)());

namespace internal {
void RunInitialisers();
}  // namespace internal

}  // namespace mpg

#endif  // MPG_RUNTIME_INIT_H_
