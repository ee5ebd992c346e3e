# Lets a unit fail until it has ended three times, and prints what systemd tells at each end.
unit=canary-restarts.service
cat >/run/canary-restarts.sh <<'END'
echo "end: $(systemctl show --property NRestarts --value canary-restarts.service) $SERVICE_RESULT" >>/run/canary-restarts.log
END
cat >/run/systemd/system/$unit <<'END'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/false
ExecStopPost=+/bin/sh /run/canary-restarts.sh
Restart=always
RestartSec=1
END
systemctl daemon-reload
systemctl start $unit
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ "$(wc -l </run/canary-restarts.log 2>/dev/null || echo 0)" -ge 3 ] && break
  sleep 1
done
systemctl stop $unit
head -n 3 /run/canary-restarts.log
rm -f /run/canary-restarts.sh /run/canary-restarts.log /run/systemd/system/$unit
systemctl daemon-reload
