// SPDX-License-Identifier: GPL-2.0
// The core, as one translation unit: the compiler sees all calls, and inlines those that are made
// once. An event costs a tenth less for it (docs/performance.md).
#include "core/accept_filter.cc"
#include "core/accept_queue.cc"
#include "core/backoff.cc"
#include "core/bridge.cc"
#include "core/episode.cc"
#include "core/filter_queue.cc"
#include "core/handshake.cc"
#include "core/listener.cc"
#include "core/listener_filter.cc"
#include "core/options.cc"
#include "core/policy.cc"
#include "core/request_info.cc"
#include "core/shards.cc"
#include "core/syn_cookie.cc"
#include "core/syn_queue.cc"
