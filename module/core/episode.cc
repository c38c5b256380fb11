// SPDX-License-Identifier: GPL-2.0
// Episode: a thing that happens many times over; its beginning and its end are events.
#include "episode.hh"

namespace listenq {

void Episode::happened(Ticks now, u8 cause)
{
	if (state_ == State::Quiet) {
		state_ = State::Began;
		times_++;
		began_ = now;
		count_ = 0;
		cause_ = cause;
	} else if (state_ == State::Ended) {
		state_ = State::Running;
	}
	count_++;
	// Another CPU may have read its clock later and come first.
	if (count_ == 1 || now.reached(last_))
		last_ = now;
	happened_ = now;
}

void Episode::take_back()
{
	if (state_ != State::Quiet && count_ > 1) {
		count_--;
	} else if (state_ == State::Began) {
		state_ = State::Quiet;
		times_--;
	}
}

void Episode::tick(Ticks now, u32 quiet, u32 now_s)
{
	if (state_ != State::Running || !now.reached(last_ + quiet))
		return;
	const u32 length = last_.value - began_.value;

	// One whose end is taken back is longer in the end: it never was the shortest.
	if (!ended_ || length < shortest_)
		shortest_ = length;
	longest_ = max(longest_, length);
	ended_ = true;
	ended_s_ = now_s;
	state_ = State::Ended;
}

void Episode::lasts(Ticks now)
{
	if (now.reached(last_))
		last_ = now;
}

Episode::Event Episode::take_event()
{
	switch (State{state_}) {
	case State::Quiet:
	case State::Running:
		break;
	case State::Began:
		state_ = State::Running;
		return {.what = What::Began, .cause = cause_, .count = count_};
	case State::Ended:
		state_ = State::Quiet;
		return {.what = What::Ended, .cause = cause_, .count = count_};
	}
	return {.what = What::Nothing, .cause = 0, .count = 0};
}

void Episode::close()
{
	if (state_ == State::Began)
		state_ = State::Quiet;
	else if (state_ == State::Running)
		state_ = State::Ended;
}

} // namespace listenq
