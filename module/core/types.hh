// SPDX-License-Identifier: GPL-2.0
// Strong types for the numbers that get mixed up: sequence numbers, ticks, microseconds.
#pragma once

#include "../bridge/segment.h"

namespace listenq {

// A TCP sequence number; order is modulo 2^32 (RFC 9293 3.4).
struct Seq {
	u32 value;

	[[nodiscard]] constexpr bool before(Seq other) const
	{
		return static_cast<s32>(value - other.value) < 0;
	}
	[[nodiscard]] constexpr bool after(Seq other) const { return other.before(*this); }
	[[nodiscard]] constexpr Seq operator+(u32 n) const { return Seq{value + n}; }
	[[nodiscard]] constexpr bool operator==(const Seq &) const = default;
};

// Jiffies modulo 2^32.
struct Ticks {
	u32 value;

	// time_after_eq() of include/linux/jiffies.h: right while the two are
	// less than 2^31 ticks apart.
	[[nodiscard]] constexpr bool reached(Ticks deadline) const
	{
		return static_cast<s32>(value - deadline.value) >= 0;
	}
	[[nodiscard]] constexpr Ticks operator+(u32 n) const { return Ticks{value + n}; }
};

// Microseconds of a monotonic clock modulo 2^32.
struct Micros {
	u32 value;

	[[nodiscard]] constexpr u32 since(Micros start) const { return value - start.value; }
};

// Written under the lock and read also without it, as a hint: each access is one load or store,
// as READ_ONCE() and WRITE_ONCE() make them.
template <typename T>
class Hint final {
public:
	explicit constexpr Hint(T value) : value_(value) {}
	Hint &operator=(T value)
	{
		__atomic_store(&value_, &value, __ATOMIC_RELAXED);
		return *this;
	}
	operator T() const
	{
		T value;

		__atomic_load(&value_, &value, __ATOMIC_RELAXED);
		return value;
	}
	void operator++(int) { *this = *this + 1; }
	void operator--(int) { *this = *this - 1; }

private:
	T value_;
};

// What must hold wherever it is said; asked in debug builds alone.
inline void ensure([[maybe_unused]] bool holds, [[maybe_unused]] const char *what)
{
#ifdef LQ_DEBUG
	if (!holds) [[unlikely]]
		lq_core_broken(what);
#endif
}

// Places that are promised, and not yet taken or given back.
class Reservations final {
public:
	void add() { count_++; }
	// @what to say if nobody made them.
	void end(u32 count, const char *what)
	{
		ensure(count <= count_, what);
		count_ -= count;
	}
	[[nodiscard]] u32 count() const { return count_; }

private:
	u32 count_ = 0;
};

template <typename T>
[[nodiscard]] constexpr T min(T a, T b)
{
	return b < a ? b : a;
}
template <typename T>
[[nodiscard]] constexpr T max(T a, T b)
{
	return a < b ? b : a;
}
template <typename T>
[[nodiscard]] constexpr T clamp(T v, T low, T high)
{
	return min(max(v, low), high);
}

} // namespace listenq
