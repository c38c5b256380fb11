// SPDX-License-Identifier: GPL-2.0
// The core's side of the bridge: an accept queue that is served too slowly.
#include "bridge.hh"

using listenq::Micros;
using listenq::bridge::listener;

LQ_BRIDGE void lq_core_accept_undo(lq_core *core, lq_request *entry, u32 now_us, bool at_once)
{
	listener(core).accept_undo(*entry, Micros{now_us}, at_once);
}

LQ_BRIDGE bool lq_core_manages(const lq_core *core)
{
	return listener(core).manages();
}

LQ_BRIDGE lq_request *lq_core_accept_next(lq_core *core, u32 now_us)
{
	return listener(core).accept_next(Micros{now_us});
}

LQ_BRIDGE u8 lq_core_accept_judge(lq_core *core, lq_request *entry, lq_peer peer, u32 now_us,
				  bool at_once)
{
	return listener(core).accept_judge(*entry, peer, Micros{now_us}, at_once);
}

LQ_BRIDGE lq_request *lq_core_accept_expire(lq_core *core, u32 now_us)
{
	return listener(core).accept_expire(Micros{now_us});
}

LQ_BRIDGE u32 lq_core_accept_due_us(const lq_core *core, u32 now_us)
{
	return listener(core).accept_due_us(Micros{now_us});
}

LQ_BRIDGE lq_request *lq_core_sweep_next(lq_core *core)
{
	return listener(core).sweep_next();
}

LQ_BRIDGE u8 lq_core_sweep_judge(lq_core *core, lq_request *entry, lq_peer peer, u32 now_us)
{
	return listener(core).sweep_judge(*entry, peer, Micros{now_us});
}

LQ_BRIDGE const lq_request *lq_core_accept_after(const lq_core *core, const lq_request *after)
{
	return listener(core).accept_after(after);
}

LQ_BRIDGE bool lq_core_skips(const lq_core *core, lq_peer peer)
{
	return listener(core).skips(peer);
}

LQ_BRIDGE int lq_core_dead_find(const char *name, size_t length)
{
	const auto found = listenq::overload::find_dead({name, length});

	return found ? *found : -1;
}

LQ_BRIDGE const char *lq_core_dead_name(u32 dead)
{
	return listenq::overload::dead_name(dead);
}

LQ_BRIDGE int lq_core_order_find(const char *name, size_t length)
{
	const auto found = listenq::overload::find_order({name, length});

	return found ? *found : -1;
}

LQ_BRIDGE const char *lq_core_order_name(u32 order)
{
	return listenq::overload::order_name(order);
}
