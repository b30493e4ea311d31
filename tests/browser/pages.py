"""Every page of the dashboard, by name; {number}, {agent} and {call} are ids of the demo."""

PAGES = {
    "overview": "/",
    "overview-of-a-month": "/?days=30",
    "calls": "/calls",
    "call": "/calls/{call}",
    "phone-numbers": "/phone-numbers",
    "connect-a-number": "/phone-numbers/connect",
    "agents": "/agents",
    "agent": "/agents/{agent}",
    "do-not-call": "/do-not-call",
    "browser-phone": "/phone",
    "settings": "/settings",
    "destinations": "/settings/destinations",
    "api-keys": "/settings/api-keys",
    "carrier-accounts": "/settings/carriers",
    "members": "/settings/members",
    "audit-log": "/settings/audit-log",
    "me": "/settings/me",
    "api-reference": "/docs",
}
