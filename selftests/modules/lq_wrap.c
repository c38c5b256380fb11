// SPDX-License-Identifier: GPL-2.0
/*
 * A module that stands before TCP's receive handlers, as listenq does: loaded while somebody
 * listens, it is around listenq's. For selftests/net/hook_test.py.
 */
#include <linux/module.h>
#include <net/protocol.h>

static struct net_protocol *inner_v4, outer_v4;
#define PLACE_V4 ((struct net_protocol __force **)&inet_protos[IPPROTO_TCP])

static int wrap_v4(struct sk_buff *skb)
{
	return inner_v4->handler(skb);
}

#if IS_ENABLED(CONFIG_IPV6)
static struct inet6_protocol *inner_v6, outer_v6;
#define PLACE_V6 ((struct inet6_protocol __force **)&inet6_protos[IPPROTO_TCP])

static int wrap_v6(struct sk_buff *skb)
{
	return inner_v6->handler(skb);
}
#endif

static int __init wrap_init(void)
{
	inner_v4 = READ_ONCE(*PLACE_V4);
	outer_v4 = *inner_v4;
	outer_v4.handler = wrap_v4;
	if (cmpxchg(PLACE_V4, inner_v4, &outer_v4) != inner_v4)
		return -EAGAIN;
#if IS_ENABLED(CONFIG_IPV6)
	inner_v6 = READ_ONCE(*PLACE_V6);
	if (inner_v6) {
		outer_v6 = *inner_v6;
		outer_v6.handler = wrap_v6;
		/* The test changes nothing meanwhile. */
		WARN_ON(cmpxchg(PLACE_V6, inner_v6, &outer_v6) != inner_v6);
	}
#endif
	return 0;
}

static void __exit wrap_exit(void)
{
	WARN_ON(cmpxchg(PLACE_V4, &outer_v4, inner_v4) != &outer_v4);
#if IS_ENABLED(CONFIG_IPV6)
	WARN_ON(inner_v6 && cmpxchg(PLACE_V6, &outer_v6, inner_v6) != &outer_v6);
#endif
	synchronize_net();
}

module_init(wrap_init);
module_exit(wrap_exit);

MODULE_DESCRIPTION("Stands before TCP's receive handlers");
MODULE_AUTHOR("The listenq authors");
MODULE_LICENSE("GPL");
