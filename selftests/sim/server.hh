// SPDX-License-Identifier: GPL-2.0
// A server under load: the core with a shim of simulated time around it, one worker that takes a
// connection after the other, and clients who give up. Deterministic: whole numbers, a generator of
// our own, no clock.
#pragma once

#include <queue>
#include <vector>

#include "bridge/core.h"

namespace sim {

using Time = u64; // microseconds

inline constexpr Time kMs = 1000, kSecond = 1000 * kMs;

// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
class Random {
public:
	explicit Random(u64 seed) : state_(seed) {}

	// 0..below - 1
	u32 number(u32 below)
	{
		u64 z = state_ += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		return static_cast<u32>(((z ^ z >> 31) >> 32) * below >> 32);
	}

private:
	u64 state_;
};

// A load, as the table's columns have it: in hundredths of what the worker can do.
struct Load {
	u32 percent;
};

struct Result {
	double goodput; // answers that a client was still there for, of what the worker can do
	u32 p50_ms;	// from the first SYN to the answer, of these
	u32 p99_ms;
};

class Server {
public:
	// One connection each millisecond.
	static constexpr Time kService = 1 * kMs;
	static constexpr s32 kBacklog = 4096;
	static constexpr Time kRoundTrip = 20 * kMs;
	// How long clients wait for an answer, in all: each for its own time between these.
	static constexpr Time kPatienceLeast = 800 * kMs, kPatienceMost = 1200 * kMs;
	static constexpr Time kWarmUp = 10 * kSecond, kEnd = 40 * kSecond;

	Server(const lq_overload &settings, Load load);
	~Server();
	Server(const Server &) = delete;
	Server &operator=(const Server &) = delete;

	Result run();

private:
	enum class What : u8 { Arrive, Syn, Ack, GiveUp, Answer, Tick, Expire };
	struct Event {
		Time at;
		u64 number; // those of one time in the order in which they were made
		What what;
		u32 client;

		bool operator>(const Event &other) const
		{
			return at != other.at ? at > other.at : number > other.number;
		}
	};
	enum class State : u8 { Connecting, Waiting, Served, Answered, Left, Refused };
	struct Client {
		Time came;
		lq_peer peer = LQ_PEER_THERE; // what the server sees of it, once it is connected
		State state = State::Connecting;
		u8 tries = 0;	    // SYNs, then ACKs
		bool acked = false; // its SYN, by a SYN-ACK
	};

	void at(Time when, What what, u32 client = 0)
	{
		events_.push({when, made_++, what, client});
	}
	void arrive();
	void syn(u32 n);
	void ack(u32 n);
	void give_up(u32 n);
	void work();
	void answer(u32 n);
	void tick();
	void expire();
	void watch();
	void refused(u32 n);
	void end(lq_request *entry, bool told);
	[[nodiscard]] bool alive(u32 n) const { return clients_[n].state < State::Served; }
	[[nodiscard]] u32 ticks() const { return static_cast<u32>(now_ / kMs); }
	[[nodiscard]] u32 us() const { return static_cast<u32>(now_); }

	Load load_;
	lq_keys keys_; // the core does not copy them
	u64 *memory_;
	lq_core *core_;
	std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
	u64 made_ = 0;
	// The 32 bits of the core's clock wrap on the way.
	Time now_ = (u64{1} << 32) - 5 * kSecond;
	Time start_ = now_;
	std::vector<Client> clients_;
	std::vector<u32> answers_ms_;
	Random random_{20150911};
	bool working_ = false;
	bool watched_ = false; // an Expire is under way
	u32 served_ = 0;
};

} // namespace sim
