"""What the gateway listens to: everything, each fact folded into the dashboard."""

from services.gateway import projections
from shared.contracts import charity, events, volunteers
from shared.messaging.consumer import Consumer
from shared.messaging.subjects import PUBLISHERS

consumer = Consumer("gateway")
consumer.on_every(PUBLISHERS, projections.keep)

consumer.on(volunteers.CentreOpened, projections.open_centre)
consumer.on(volunteers.CentreChanged, projections.change_centre)
consumer.on(volunteers.CentreClosed, projections.close_centre)
consumer.on(volunteers.AssignmentMade, projections.make_assignment)
consumer.on(volunteers.AssignmentEnded, projections.end_assignment)
consumer.on(volunteers.VolunteerRegistered, projections.follow_volunteer)
consumer.on(volunteers.VolunteerApproved, projections.follow_volunteer)
consumer.on(volunteers.VolunteerRejected, projections.follow_volunteer)
consumer.on(volunteers.VolunteerActivated, projections.follow_volunteer)
consumer.on(volunteers.VolunteerPaused, projections.follow_volunteer)
consumer.on(volunteers.VolunteerResumed, projections.follow_volunteer)
consumer.on(volunteers.VolunteerLeft, projections.follow_volunteer)
consumer.on(volunteers.VolunteerErased, projections.erase_volunteer)
consumer.on(volunteers.VolunteersDeclared, projections.declare)
consumer.on(volunteers.HoursRecorded, projections.record_hours)

consumer.on(events.EventPublished, projections.follow_event)
consumer.on(events.EventHeld, projections.follow_event)
consumer.on(events.EventCancelled, projections.follow_event)
consumer.on(events.EventChanged, projections.change_event)
consumer.on(events.SignUpConfirmed, projections.confirm_sign_up)
consumer.on(events.SignUpWithdrawn, projections.withdraw_sign_up)
consumer.on(events.AttendanceRecorded, projections.record_attendance)
consumer.on(events.HeadcountTaken, projections.take_headcount)

consumer.on(charity.CampaignDrafted, projections.follow_campaign)
consumer.on(charity.CampaignOpened, projections.follow_campaign)
consumer.on(charity.CampaignChanged, projections.follow_campaign)
consumer.on(charity.CampaignClosed, projections.follow_campaign)
consumer.on(charity.CampaignReported, projections.follow_campaign)
consumer.on(charity.DonationReceived, projections.receive_donation)
consumer.on(charity.DonationRefunded, projections.refund_donation)
consumer.on(charity.DisbursementPaid, projections.pay_disbursement)
consumer.on(charity.DeliveryMade, projections.make_delivery)
consumer.on(charity.DeliveryVoided, projections.void_delivery)
