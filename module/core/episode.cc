// SPDX-License-Identifier: GPL-2.0
// Episode: a thing that happens many times over; its beginning and its end are events.
#include "episode.hh"

namespace listenq {

void Episode::happened(Ticks now, u8 cause)
{
	if (state_ == State::Quiet) {
		state_ = State::Began;
		count_ = 0;
		cause_ = cause;
	} else if (state_ == State::Ended) {
		state_ = State::Running;
	}
	count_++;
	// Another CPU may have read its clock later and come first.
	if (count_ == 1 || now.reached(last_))
		last_ = now;
}

void Episode::take_back()
{
	if (state_ != State::Quiet && count_ > 1)
		count_--;
	else if (state_ == State::Began)
		state_ = State::Quiet;
}

void Episode::tick(Ticks now, u32 quiet)
{
	if (state_ == State::Running && now.reached(last_ + quiet))
		state_ = State::Ended;
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
