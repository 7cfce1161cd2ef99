// The shared memory of one block: fresh for each, and filled with 0xFF, which is NaN.
#pragma once
#include <cstddef>

namespace emu {

class SharedMemory {
 public:
  void new_block(size_t dynamic_bytes);
  void* find(const void* key, size_t bytes);  // allocated at its first use in a block
  void* dynamic();                            // nullptr where the launch asked for none
  size_t most() const { return most_; }       // bytes that a block of this launch took
  void new_launch() { most_ = 0; }

 private:
  char* take(size_t bytes);
  struct Slot { const void* key; char* memory; };
  static const int SLOTS = 64;
  Slot slots_[SLOTS];
  int count_ = 0;
  size_t now_ = 0, most_ = 0;
  char *at_ = nullptr, *end_ = nullptr, *start_ = nullptr;
};

}  // namespace emu
