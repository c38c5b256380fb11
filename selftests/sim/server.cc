// SPDX-License-Identifier: GPL-2.0
// A server under load: what the shims do, and what clients do.
#include "server.hh"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sim {

namespace {

constexpr u32 kHz = 1000;
constexpr u32 kIsn = 1000, kOurIsn = 5000;
// Arrivals are decided in steps of this: as good as Poisson's, without a logarithm.
constexpr Time kStep = 20;

lq_keys keys()
{
	Random random{7};
	lq_keys k{};

	for (u64 &one : k.table)
		one = static_cast<u64>(random.number(~0u)) << 32 | random.number(~0u);
	return k;
}

lq_key key_of(u32 n)
{
	lq_key key{};

	key.addr[0] = n;
	key.addr[1] = 1;
	key.peer_port = 77;
	key.ifindex = 1;
	return key;
}

void must(bool holds, const char *what)
{
	if (!holds) {
		std::fprintf(stderr, "overload_sim: %s\n", what);
		std::abort();
	}
}

} // namespace

Server::Server(const lq_overload &settings, Load load)
    : load_(load), keys_(keys()), memory_(new u64[(lq_core_size() + 7) / 8])
{
	lq_config config{};
	lq_limits limits;

	config.hz = kHz;
	config.max_syn_backlog = 4096;
	config.synack_timeout_ms = 1000;
	config.backlog = config.backlog_asked = kBacklog;
	config.somaxconn = kBacklog;
	config.soacceptqueue = 128;
	config.policy = LQ_POLICY_LINUX;
	config.synack_retries = 5;
	config.overload = settings;
	core_ = lq_core_init(memory_, &keys_);
	lq_core_limits(&config, &limits);
	lq_core_configure(core_, &config, &limits);
	const u32 count = limits.syn_buckets; // at once as large as it gets
	lq_core_open(core_, static_cast<lq_request **>(std::calloc(count, sizeof(lq_request *))),
		     count);
}

Server::~Server()
{
	lq_drained drained;

	must(!lq_core_close(core_, ~0u, &drained), "the core does not close");
	for (lq_request *list : {drained.requests, drained.connections}) {
		while (list) {
			lq_request *next = list->next;

			std::free(list);
			list = next;
		}
	}
	std::free(drained.table);
	delete[] memory_;
}

Result Server::run()
{
	at(now_, What::Arrive);
	at(now_, What::Tick);
	while (!events_.empty()) {
		const Event e = events_.top();

		events_.pop();
		if (e.at >= start_ + kEnd)
			break;
		now_ = e.at;
		switch (e.what) {
		case What::Arrive:
			arrive();
			break;
		case What::Syn:
			syn(e.client);
			break;
		case What::Ack:
			ack(e.client);
			break;
		case What::GiveUp:
			give_up(e.client);
			break;
		case What::Answer:
			answer(e.client);
			break;
		case What::Tick:
			tick();
			break;
		case What::Expire:
			expire();
			break;
		}
	}
	if (const char *broken = lq_core_check(core_, ~0u))
		must(false, broken);
	std::sort(answers_ms_.begin(), answers_ms_.end());
	const size_t n = answers_ms_.size();
	const auto percentile = [&](size_t p) { return n ? answers_ms_[(n - 1) * p / 100] : 0; };
	return {static_cast<double>(n) * kService / (kEnd - kWarmUp), percentile(50),
		percentile(99)};
}

// --- clients ---

void Server::arrive()
{
	// Clients in a step of 20 us: percent / 100 * 20 / 1000.
	Time next = now_;

	do
		next += kStep;
	while (random_.number(static_cast<u32>(100 * kService / kStep)) >= load_.percent);
	at(next, What::Arrive);

	const u32 n = static_cast<u32>(clients_.size());
	clients_.push_back({.came = now_});
	at(now_ + kRoundTrip / 2, What::Syn, n);
	at(now_ + kPatienceLeast + random_.number(static_cast<u32>(kPatienceMost - kPatienceLeast)),
	   What::GiveUp, n);
}

// A SYN comes to the server.
void Server::syn(u32 n)
{
	lq_syn syn{};
	lq_request_copy copy;
	lq_request *freed = nullptr;

	if (!alive(n) || clients_[n].acked)
		return;
	syn.key = key_of(n);
	syn.seq = kIsn;
	syn.now = ticks();
	syn.now_s = static_cast<u32>(now_ / kSecond);
	const lq_syn_verdict verdict = lq_core_syn(core_, &syn, &copy, &freed);
	must(!freed, "a SYN ended a request");
	// TCP_TIMEOUT_INIT: it is sent again after 1 s, 2, 4.
	at(now_ + (kSecond << clients_[n].tries++), What::Syn, n);
	if (verdict == LQ_SYN_RESET)
		refused(n);
	if (verdict != LQ_SYN_NEW)
		return;
	auto *r = static_cast<lq_request *>(std::calloc(1, LQ_REQUEST_SIZE_V4));
	r->rcv_isn = kIsn;
	r->snt_isn = kOurIsn;
	r->rcv_wnd = 65535;
	r->addr[0] = syn.key.addr[0];
	r->addr[1] = syn.key.addr[1];
	r->peer_port = syn.key.peer_port;
	if (lq_core_syn_commit(core_, &syn, r, false) != LQ_COMMIT_OK) {
		std::free(r); // the last quarter of max_syn_backlog
		return;
	}
	clients_[n].acked = true;
	clients_[n].tries = 0;
	at(now_ + kRoundTrip, What::Ack, n);
}

// Its ACK comes, with the request in it.
void Server::ack(u32 n)
{
	lq_ack ack{};
	lq_request_copy copy;
	lq_promotion promotion{};
	lq_request *freed = nullptr, *evicted = nullptr;

	if (clients_[n].state != State::Connecting || !clients_[n].acked)
		return;
	ack.key = key_of(n);
	ack.seq = kIsn + 1;
	ack.end_seq = kIsn + 101;
	ack.ack_seq = kOurIsn + 1;
	ack.ack = ack.vetted = true;
	ack.now = ticks();
	const lq_ack_verdict verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);
	std::free(freed);
	if (verdict == LQ_ACK_REFUSE)
		refused(n);
	if (verdict != LQ_ACK_PROMOTE) {
		// The data is sent again: 200 ms (TCP_RTO_MIN) and the round trip, doubled each
		// time.
		at(now_ + ((200 * kMs + kRoundTrip) << clients_[n].tries++), What::Ack, n);
		return;
	}
	must(lq_core_promote_commit(core_, &promotion, &clients_[n], us(), &evicted) ==
		     LQ_COMMIT_OK,
	     "a connection is not taken");
	// The child is the client's number: the vector's elements move.
	promotion.request->child = reinterpret_cast<void *>(static_cast<uintptr_t>(n) + 1);
	clients_[n].state = State::Waiting;
	watch();
	work();
}

void Server::give_up(u32 n)
{
	Client &client = clients_[n];

	if (!alive(n))
		return;
	client.state = State::Left;
	client.peer = LQ_PEER_GONE;
}

void Server::refused(u32 n)
{
	if (alive(n))
		clients_[n].state = State::Refused;
}

// --- the server ---

static u32 client_of(const lq_request *entry)
{
	return static_cast<u32>(reinterpret_cast<uintptr_t>(entry->child)) - 1;
}

// accept(), until there is one.
void Server::work()
{
	while (!working_) {
		lq_request *entry = lq_core_accept_next(core_, us());

		if (!entry)
			return;
		const u32 n = client_of(entry);
		const u8 reason = lq_core_accept_judge(core_, entry, clients_[n].peer, us(), true);
		std::free(entry);
		if (reason) {
			refused(n);
			continue;
		}
		working_ = true;
		if (clients_[n].state == State::Waiting)
			clients_[n].state = State::Served;
		at(now_ + kService, What::Answer, n);
	}
}

void Server::answer(u32 n)
{
	Client &client = clients_[n];

	working_ = false;
	if (client.state == State::Served) {
		client.state = State::Answered;
		if (now_ >= start_ + kWarmUp)
			answers_ms_.push_back(static_cast<u32>(
				(now_ + kRoundTrip / 2 - client.came + kMs / 2) / kMs));
	}
	work();
}

// timer.c, and the work that it asks for.
void Server::tick()
{
	lq_tick tick;
	lq_event event;

	while (lq_core_event(core_, &event))
		;
	do {
		tick.now = ticks();
		tick.now_s = ticks() / 1000;
		lq_core_tick(core_, &tick);
		for (u32 i = 0; i < tick.resend_count; i++)
			at(now_ + kRoundTrip, What::Ack, tick.resend[i].request.addr[0]);
		for (lq_request *list : {tick.expired, tick.unserved}) {
			while (lq_request *r = list) {
				list = r->next;
				std::free(r);
			}
		}
	} while (tick.again);
	while (tick.sweep) {
		lq_request *entry = lq_core_sweep_next(core_);

		if (!entry)
			break;
		const u32 n = client_of(entry);
		if (lq_core_sweep_judge(core_, entry, clients_[n].peer, us())) {
			std::free(entry);
			refused(n);
		}
	}
	at(now_ + kSecond / LQ_TICKS_PER_SECOND, What::Tick);
}

// cull.c: whoever waited too long.
void Server::expire()
{
	watched_ = false;
	while (lq_request *entry = lq_core_accept_expire(core_, us())) {
		refused(client_of(entry));
		std::free(entry);
	}
	watch();
}

void Server::watch()
{
	const u32 due = watched_ ? LQ_NEVER_US : lq_core_accept_due_us(core_, us());

	if (due == LQ_NEVER_US)
		return;
	watched_ = true;
	at(now_ + due, What::Expire);
}

} // namespace sim
