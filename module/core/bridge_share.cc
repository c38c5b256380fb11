// SPDX-License-Identifier: GPL-2.0
// The core's side of the bridge: groups that share.
#include "bridge.hh"

using listenq::Micros;
using listenq::bridge::listener;

LQ_BRIDGE bool lq_core_steals(const lq_core *core)
{
	return listener(core).steals();
}

LQ_BRIDGE u32 lq_core_steal_due_us(lq_core *core, u32 now_us)
{
	return listener(core).steal_due_us(Micros{now_us});
}

LQ_BRIDGE bool lq_core_steal(lq_core *core, u32 now_us, lq_stolen *stolen)
{
	return listener(core).steal(Micros{now_us}, *stolen);
}

LQ_BRIDGE bool lq_core_take_stolen(lq_core *core, const lq_stolen *stolen, u32 now_us)
{
	return listener(core).take_stolen(*stolen, Micros{now_us});
}

LQ_BRIDGE lq_steal_end lq_core_steal_end(lq_core *core, const lq_stolen *stolen, bool taken)
{
	return listener(core).steal_end(*stolen, taken);
}

LQ_BRIDGE bool lq_core_is_stalled(const lq_core *core, const lq_key *key, u32 now_us)
{
	return listener(core).is_stalled(*key, Micros{now_us});
}

LQ_BRIDGE void lq_core_redirected(lq_core *core)
{
	listener(core).redirected();
}
