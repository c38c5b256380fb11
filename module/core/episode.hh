// SPDX-License-Identifier: GPL-2.0
// Episode: a thing that happens many times over, of which readers get two events: that it began,
// and that it ended, with how often.
//
//	Quiet --happened--> Began --event--> Running --tick, quiet--> Ended --event--> Quiet
//	                                        ^                       |
//	                                        +-------happened--------+
//
//	event: take_event() takes it
//
//	close: Running becomes Ended; Began becomes Quiet, for nobody took the event
//	take_back, of the only time: Began becomes Quiet
//
// An end whose event nobody took yet is taken back when it happens once more.
// It ends only after a quiet second, so at most one begins and one ends in a second. How many there
// were, and how long those were that ended and were told, is kept.
// Invariants: count is at least 1 unless Quiet.
// Locking: the shard's lock, but for pending(), which is a hint without it.
#pragma once

#include "types.hh"

namespace listenq {

class Episode final {
public:
	enum class What : u8 { Nothing, Began, Ended };
	struct Event {
		What what;
		u8 cause;  // of the first time
		u64 count; // how often so far
	};

	void happened(Ticks now, u8 cause = 0);
	// The last time did not come to it after all. Once its beginning was taken the episode
	// goes on, with no other time, too.
	void take_back();
	// Now and then while active(); @quiet: ticks that end it.
	void tick(Ticks now, u32 quiet, u32 now_s);
	// While running(): what it is about goes on, though nothing happens.
	void lasts(Ticks now);
	// While active(): ticks since it happened last.
	[[nodiscard]] u32 quiet(Ticks now) const { return now.value - happened_.value; }
	[[nodiscard]] Event take_event();
	void close();

	[[nodiscard]] bool pending() const
	{
		const State state = state_;

		return state == State::Began || state == State::Ended;
	}
	[[nodiscard]] bool running() const
	{
		return state_ == State::Began || state_ == State::Running;
	}
	[[nodiscard]] bool active() const { return state_ != State::Quiet; }
	[[nodiscard]] u8 cause() const { return cause_; }

	[[nodiscard]] u32 times() const { return times_; }
	// Since the last one ended, 1 at least; 0: none has, or one goes on.
	[[nodiscard]] u32 ago_s(u32 now_s) const
	{
		return ended_ && !running() ? max<u32>(now_s - ended_s_, 1) : 0;
	}
	// Of those that ended; 0: none has.
	[[nodiscard]] u32 shortest_ms(u32 hz) const { return ms(shortest_, hz); }
	[[nodiscard]] u32 longest_ms(u32 hz) const { return ms(longest_, hz); }

private:
	enum class State : u8 { Quiet, Began, Running, Ended };

	[[nodiscard]] u32 ms(u32 ticks, u32 hz) const
	{
		return ended_ ? max<u32>(static_cast<u32>(u64{ticks} * 1000 / max<u32>(hz, 1)), 1)
			      : 0;
	}

	u64 count_ = 0;
	Ticks last_{0};	    // when it happened or lasted last, unless Quiet
	Ticks happened_{0}; // when it happened last; the same
	Ticks began_{0};    // the same
	u32 times_ = 0;
	u32 shortest_ = 0, longest_ = 0; // ticks, from the first time to the last; with ended_
	u32 ended_s_ = 0;		 // when the last one ended; with ended_
	bool ended_ = false;		 // one has
	Hint<State> state_{State::Quiet};
	u8 cause_ = 0;
};

} // namespace listenq
