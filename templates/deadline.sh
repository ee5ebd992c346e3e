begin 'deadline'
# The environment lives for {{ttl}}. When that is over is told on the first boot,
# so that a reboot does not make it longer; shutting down ends the instance.
install -d -m 0755 /etc/flowbed
[ -s /etc/flowbed/deadline ] || echo $(($(date +%s) + {{seconds}})) >/etc/flowbed/deadline
cat >/usr/local/sbin/flowbed-deadline <<'FLOWBED_END'
#!/bin/sh
deadline=$(cat /etc/flowbed/deadline)
[ -n "$deadline" ] || exit 1 # a disk that is full must not end the instance
[ "$(date +%s)" -lt "$deadline" ] || exec /sbin/shutdown -h now
FLOWBED_END
chmod 0755 /usr/local/sbin/flowbed-deadline
cat >/etc/systemd/system/flowbed-deadline.service <<'FLOWBED_END'
[Unit]
Description=End of the instance when the flowbed environment has expired

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/flowbed-deadline
FLOWBED_END
cat >/etc/systemd/system/flowbed-deadline.timer <<'FLOWBED_END'
[Unit]
Description=Every minute, whether the flowbed environment has expired

[Timer]
OnCalendar=minutely
AccuracySec=1s

[Install]
WantedBy=timers.target
FLOWBED_END
systemctl daemon-reload
systemctl enable flowbed-deadline.timer >>"$log"
systemctl start flowbed-deadline.timer
say "ends itself at $(date -u -d "@$(cat /etc/flowbed/deadline)" +%Y-%m-%dT%H:%M:%SZ)"

